"""Models: what counts as pinned, what is refused, and with which words."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.unit.models_samples import GGUF, HUB, LIBRARY, PACKAGES, PATH, SHA, gguf, model

pytestmark = pytest.mark.unit


def test_a_model_with_sha256_commit_and_manifest_digest_is_pinned() -> None:
    assert model(sources=[HUB, LIBRARY, PACKAGES, PATH]).pinned
    assert model().unpinned_reasons() == ()


def test_a_model_without_sha256_says_why_it_is_not_pinned_and_how_to_mend_it() -> None:
    (reason,) = model(sha256=None).unpinned_reasons()
    assert "sha256 of tiny.gguf is not known" in reason
    assert "make pin" in reason


def test_a_library_tag_without_manifest_digest_is_not_pinned_even_with_a_sha256() -> None:
    unpinned = model(sources=[LIBRARY | {"digest": None}])
    assert not unpinned.pinned
    assert "tag tiny:small" in unpinned.unpinned_reasons()[0]


def test_the_pin_is_the_sha256_or_changes_with_the_sources() -> None:
    assert model().pin(GGUF) == SHA
    here, there = model(sha256=None).pin(GGUF), model(sha256=None, sources=[LIBRARY]).pin(GGUF)
    assert len(here) == 64
    assert here != there


@pytest.mark.parametrize(
    ("number", "changes", "words"),
    [
        (11, {"sources": [{k: v for k, v in HUB.items() if k != "revision"}]}, "pin model.revision to a 40-hex commit"),
        (11, {"sources": [HUB | {"revision": "ebb20151"}]}, "pin model.revision to a 40-hex commit"),
        (12, {"sources": [HUB | {"revision": "main"}]}, "branches move; give a commit"),
        (12, {"sources": [HUB | {"revision": "v1.0"}]}, "branches move; give a commit"),
        (12, {"sources": [HUB | {"revision": "E" * 40}]}, "branches move; give a commit"),
        (14, {"file": "pytorch_model.bin"}, "only safetensors, gguf, onnx"),
        (14, {"sources": [HUB | {"file": "weights/model.pt"}]}, "only safetensors, gguf, onnx"),
        (14, {"sources": [PATH | {"path": "/data/model.ckpt"}]}, "only safetensors, gguf, onnx"),
        (66, {"sources": [PATH | {"path": "/data/../etc/x.gguf"}]}, "must not contain '..'"),
        (66, {"sources": [HUB | {"file": "../x.gguf"}]}, "String should match pattern"),
        (66, {"file": "/a/b.gguf"}, "String should match pattern"),
    ],
)
def test_bad_config_is_refused_with_the_fix(number: int, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        model(**changes)
    assert words in str(refused.value), f"bad config {number}"


FOLDER = {"format": "safetensors", "precision": "bf16", "size_bytes": 10**9}
REPO = {"kind": "huggingface", "repo": "maker/tiny", "revision": "unpinned"}
AZURE = {"kind": "azure", "model": "Tiny", "version": "3"}


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (FOLDER | {"sources": [LIBRARY]}, "ollama: it serves one file, and safetensors weights are a folder"),
        (FOLDER | {"sources": [PACKAGES]}, "package: it serves one file"),
        (FOLDER | {"sources": [REPO | {"file": "model.safetensors"}]}, "Name it in 'folder'"),
        (FOLDER | {"sources": [AZURE | {"file": "model.safetensors"}]}, "Name it in 'folder'"),
        (FOLDER | {"sources": [REPO | {"folder": "../x"}]}, "String should match pattern"),
        (FOLDER | {"sources": [REPO], "files": [{"path": "pytorch_model.bin"}]}, "only safetensors, gguf, onnx"),
        (FOLDER | {"sources": [REPO], "files": [{"path": "modeling.py"}]}, "only safetensors, gguf, onnx"),
        (gguf([REPO]), "name the GGUF file in 'file'"),
        (gguf([AZURE]), "name the GGUF file in 'file'"),
        (gguf(file="a/tiny.gguf"), "lies at the top of its volume"),
        (FOLDER | {"sources": [AZURE | {"version": "latest model"}]}, "String should match pattern"),
        (FOLDER | {"sources": [AZURE | {"token": "eyJ"}]}, "Extra inputs are not permitted"),
    ],
)
def test_a_source_that_cannot_serve_these_weights_is_refused_with_the_fix(weights: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        model(weights={"w": weights})
    assert words in str(refused.value)


def test_a_folder_is_pinned_when_commit_and_every_sha256_are_known() -> None:
    files = [{"path": "config.json", "sha256": SHA}, {"path": "model.safetensors", "sha256": SHA}]
    known = FOLDER | {"files": files, "sources": [REPO | {"revision": "e" * 40}]}
    assert model(weights={"w": known}).pinned
    assert "commit of maker/tiny" in model(weights={"w": known | {"sources": [REPO]}}).unpinned_reasons()[0]
    assert "are not listed" in model(weights={"w": known | {"files": []}}).unpinned_reasons()[0]
    one = [files[0], files[1] | {"sha256": None}]
    assert "sha256 of model.safetensors" in model(weights={"w": known | {"files": one}}).unpinned_reasons()[0]
    assert model(weights={"w": known}).pin("w") != model(weights={"w": known | {"files": one}}).pin("w")


@pytest.mark.parametrize(
    "package", ["tiny-part1", "tiny-part1>=1.0", "tiny-part1==1.*", "--index-url=http://evil", "a==1 b"]
)
def test_a_package_without_an_exact_version_is_refused(package: str) -> None:
    with pytest.raises(ValidationError):
        model(sources=[PACKAGES | {"packages": [package]}])


@pytest.mark.parametrize("endpoint", ["https://user:word@hub.example", "file:///etc", "hub.example", "https://h/?q=1"])
def test_an_endpoint_holds_no_credentials_and_is_http(endpoint: str) -> None:
    with pytest.raises(ValidationError):
        model(sources=[HUB | {"endpoint": endpoint}])


def test_a_gated_model_must_name_the_secret_of_its_token() -> None:
    with pytest.raises(ValidationError, match=r"gated: the hub answers 401 without a token.*token_secret"):
        model(gated=True)
    assert model(gated=True, sources=[HUB | {"token_secret": "hub-token"}]).gated


def test_a_model_needs_a_source() -> None:
    with pytest.raises(ValidationError):
        model(sources=[])


def test_a_template_is_a_name_of_ours_or_the_text_itself() -> None:
    assert "<|im_start|>" in (model().template_text or "")
    assert model(template="{{ .Prompt }}").template_text == "{{ .Prompt }}"
    assert model(template=None).template_text is None
    with pytest.raises(ValidationError, match=r"no chat template is named 'chatml'.*chatml-tools"):
        model(template="chatml")
