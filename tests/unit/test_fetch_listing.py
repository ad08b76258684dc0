"""What others list is not trusted: names that lead elsewhere, formats that run code, folders that are too large."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components.model_sources import SAFE_FORMATS
from components.weights import Format
from components.weights_names import taken
from tests.unit.fetch_harness import WEIGHTS, Fetch, Site, program, serving
from tests.unit.fetch_publishers import COMMIT, entry, hub_folder, publish_folder

pytestmark = pytest.mark.unit

LISTING = f"/api/models/maker/tiny/tree/{COMMIT}?recursive=true"


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site()) as running:
        yield running


@pytest.fixture
def fetch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Fetch:
    return Fetch(tmp_path, capsys)


def refused(fetch: Fetch, site: Site, **changes: Any) -> str:
    outcome = fetch.run_folder(hub_folder(site), **changes)
    assert outcome.code == 4
    assert not any("/resolve/" in path for path, _ in site.requests), "nothing is fetched of it"
    return outcome.errors


@pytest.mark.parametrize(
    "path", ["../x.json", "/etc/x.json", "a/../../x.json", "a\\..\\x.json", "a//x.json", "./x.json", "a\nb.json", ""]
)
def test_a_path_that_leaves_its_folder_refuses_the_whole_listing(fetch: Fetch, site: Site, path: str) -> None:
    publish_folder(site, {"model.safetensors": WEIGHTS}, extra=[entry(path, b"{}")])
    assert "leaves its folder: nothing is taken" in refused(fetch, site)


@given(st.text(alphabet=st.sampled_from("ab./\\\0 ~:"), max_size=12))
@example("..")
@example("a/..")
@example("~/x")
def test_no_name_that_is_let_through_leads_out_of_its_folder(path: str) -> None:
    if not program("slm_fetch.names").leaves_folder(path):
        inside = os.path.normpath(os.path.join("/top", path))
        assert inside.startswith("/top/")
        assert inside == f"/top/{path}", "it names exactly one file"


@pytest.mark.parametrize(
    ("files", "planned"),
    [
        ([{"path": "pytorch_model.bin"}], "pytorch_model.bin"),
        ([{"path": "model.pt"}], "model.pt"),
        ([{"path": "modeling_tiny.py"}], "modeling_tiny.py"),
        ([{"path": "weights.pkl"}], "weights.pkl"),
        ([{"path": "../config.json"}], "../config.json"),
        ([{"path": "/etc/config.json"}], "/etc/config.json"),
        ([{"path": "fetched/folder.json"}], "fetched/folder.json"),
    ],
)
def test_control_38_a_plan_with_a_file_that_may_not_be_fetched_is_refused_by_its_name(
    fetch: Fetch, site: Site, files: list[dict[str, Any]], planned: str
) -> None:
    outcome = fetch.run_folder(hub_folder(site), files=files)
    assert outcome.code == 2
    assert f"'{planned}'" in outcome.errors
    assert site.requests == []


@pytest.mark.parametrize(
    ("plan_format", "expected"),
    [
        ("safetensors", {"config.json", "tokenizer.model", "chat_template.jinja", "merges.txt", "model.safetensors"}),
        (
            "onnx",
            {
                "config.json",
                "tokenizer.model",
                "chat_template.jinja",
                "merges.txt",
                "m.onnx",
                "m.onnx.data",
                "n.onnx_data",
            },
        ),
    ],
)
def test_of_a_repository_with_several_formats_only_the_meant_one_is_taken(
    fetch: Fetch, site: Site, plan_format: Format, expected: set[str]
) -> None:
    names = {"model.safetensors", "consolidated.safetensors", "m.onnx", "m.onnx.data", "n.onnx_data", "m.gguf", "a.h5"}
    texts = {"config.json", "tokenizer.model", "chat_template.jinja", "merges.txt", "sentencepiece.model", "run.sh"}
    publish_folder(site, {name: name.encode() for name in names | texts} | {"config.json": b"{}"})
    assert fetch.run_folder(hub_folder(site), format=plan_format).code == 0
    record = fetch.record()
    assert set(record["files"]) == expected == set(taken(sorted(names | texts), plan_format))
    assert set(record["skipped"]) == (names | texts) - expected


def test_a_folder_without_weights_is_refused(fetch: Fetch, site: Site) -> None:
    publish_folder(site, {"config.json": b"{}", "pytorch_model.bin": b"x"})
    assert "holds no safetensors files (1 of other kinds)" in refused(fetch, site)


def test_a_folder_much_larger_than_the_weights_is_refused_with_both_sizes(fetch: Fetch, site: Site) -> None:
    huge = entry("model.safetensors", b"") | {"lfs": {"oid": "0" * 64, "size": 9_000_000_000}}
    publish_folder(site, {}, extra=[huge])
    errors = refused(fetch, site, size_bytes=2_000_000_000)
    assert "holds 9.0 GB" in errors
    assert "2.0 GB" in errors


def test_too_many_files_are_refused(fetch: Fetch, site: Site) -> None:
    publish_folder(site, {f"m{n}.safetensors": b"x" for n in range(501)}, per_page=1000)
    assert "501 files" in refused(fetch, site)


def test_a_listing_without_end_is_given_up(fetch: Fetch, site: Site) -> None:
    publish_folder(site, {"a.txt": b"x"})
    site.headers[LISTING] = {"Link": f'<{site.url}{LISTING}>; rel="next"'}
    assert "lists too many files" in refused(fetch, site)
    assert len(site.requests) <= 40


def test_a_listing_of_unbelievable_length_is_not_read_to_its_end(fetch: Fetch, site: Site) -> None:
    site.files[LISTING] = b"[" + b" " * (9 * 1024 * 1024) + b"]"
    assert "sent more than" in refused(fetch, site)


@pytest.mark.parametrize("other", ["model.safetensors/x.json", "model.safetensors"])
def test_a_file_that_is_also_a_folder_or_named_twice_is_refused(fetch: Fetch, site: Site, other: str) -> None:
    publish_folder(site, {"model.safetensors": WEIGHTS}, extra=[entry(other, b"x")])
    assert "as a file and as a folder, or twice" in refused(fetch, site)


@pytest.mark.parametrize("content", [b"<html>", b"{}", b"[1]", b'[{"type": "file"}]', b'[{"type": "file", "path": 1}]'])
def test_a_page_that_is_no_listing_is_refused_with_a_sentence(fetch: Fetch, site: Site, content: bytes) -> None:
    site.files[LISTING] = content
    assert "is the endpoint a hub" in refused(fetch, site)


def test_a_commit_that_is_none_is_refused(fetch: Fetch, site: Site) -> None:
    site.files["/api/models/maker/tiny/revision/main"] = json.dumps({"sha": "../../x"}).encode()
    outcome = fetch.run_folder(hub_folder(site, revision="unpinned"))
    assert outcome.code == 4
    assert "names no commit" in outcome.errors


def test_a_planned_file_that_is_not_there_is_named(fetch: Fetch, site: Site) -> None:
    publish_folder(site, {"model.safetensors": WEIGHTS})
    assert "has no file config.json" in refused(fetch, site, files=[{"path": "config.json"}])


def test_a_link_in_a_copied_folder_is_not_followed(fetch: Fetch, tmp_path: Path) -> None:
    top = fetch.volume / "fetched/incoming"
    top.mkdir(parents=True)
    (top / "model.safetensors").write_bytes(WEIGHTS)
    (tmp_path / "secret.json").write_text("{}")
    (top / "config.json").symlink_to(tmp_path / "secret.json")
    source = {"kind": "path", "path": str(top), "origin": "/data/tiny"}
    assert fetch.run_folder(source).code == 0
    assert set(fetch.record()["files"]) == {"model.safetensors"}


NAMES = (
    "a.gguf b.safetensors c.onnx c.onnx.data c.onnx_data c.onnx_data_1 d.json e.txt f.jinja tokenizer.model"
    " x/tokenizer.model A.GGUF mytokenizer.model model.bin a.pt a.pth a.pkl a.ckpt a.py a.h5 a.msgpack a.onnx.bin"
    " a.data a.json.py model"
)


@pytest.mark.parametrize("name", NAMES.split())
def test_the_description_and_the_program_agree_on_what_holds_only_data(name: str) -> None:
    assert bool(SAFE_FORMATS.search(name)) == (program("slm_fetch.names").format_of(name) is not None)
