"""`make pin` against a local hub and library; the image registry's half is in tests/docker, with a real engine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from components.catalog import read
from ops.errors import UserError
from ops.pin.command import pin_catalogue
from tests.unit.fetch_harness import WEIGHTS, Site, program, publish_library, serving, sha256

pytestmark = pytest.mark.unit

COMMIT, NEWER = "c" * 40, "d" * 40
GGUF = "gguf-q4_k_m"
FOLDER: dict[str, bytes] = {
    "config.json": b'{"model_type": "tiny"}',
    "tokenizer.json": b"{}",
    "model-00001-of-00002.safetensors": WEIGHTS[:1000],
    "model-00002-of-00002.safetensors": WEIGHTS[1000:3000],
}
BESIDE = {
    "pytorch_model.bin": b"\x80",
    "modeling.py": b"x",
    "README.md": b"#",
    "tiny.gguf": WEIGHTS,
    ".gitattributes": b"",
}
OLD, NEW = "1" * 64, "2" * 64
IMAGES = f"""
[gate]
purpose = "the gateway"
repository = "maker/gate"
tag = "3.4.4"
digest = "{OLD}"
source = "somewhere public"
build = "gate"
build_version = "1"
user = 10001

[own]
purpose = "built here only"
build = "own"
build_version = "1"
user = 10001
"""


class Registry:
    """The part of the Docker SDK that asks a registry for a tag's digest."""

    def __init__(self, answer: str | Exception = f"sha256:{NEW}") -> None:
        self.answer, self.asked, self.images = answer, [], self

    def get_registry_data(self, reference: str) -> Any:
        self.asked.append(reference)
        if isinstance(self.answer, Exception):
            raise self.answer
        return type("Data", (), {"id": self.answer})


def siblings(files: dict[str, bytes]) -> list[dict[str, Any]]:
    """What the hub says of a repository's files: a sha256 only of those that are stored outside of git."""
    listed: list[dict[str, Any]] = []
    for path, data in files.items():
        oid = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        large = {"lfs": {"sha256": sha256(data), "size": len(data)}} if path.endswith((".gguf", ".safetensors")) else {}
        listed.append({"rfilename": path, "size": len(data), "blobId": oid} | large)
    return listed


def publish(site: Site, files: dict[str, bytes], commit: str = COMMIT, repo: str = "maker/tiny") -> None:
    facts = json.dumps({"sha": commit, "siblings": siblings(files)}).encode()
    site.files[f"/api/models/{repo}/revision/{commit}"] = facts
    site.files[f"/api/models/{repo}/revision/main"] = facts
    for path, data in files.items():
        site.files[f"/{repo}/resolve/{commit}/{path}"] = data


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site()) as running:
        publish(running, {"tiny.gguf": WEIGHTS})
        yield running


def catalogue(folder: Path, sources: str, pin: str = "", size: int = 1) -> Path:
    (folder / "images.toml").write_text(IMAGES)
    (folder / "models.toml").write_text(
        f"""
[tiny]
license = "MIT"
context_length = 4096
parameters = 1
layers = 1
kv_heads = 1
head_size = 1
[tiny.weights.{GGUF}]
format = "gguf"
precision = "q4_k_m"
size_bytes = {size}
[[tiny.weights.{GGUF}.files]]
path = "tiny.gguf"
size_bytes = {size}
{pin}
{sources}
"""
    )
    return folder


def of_folder(folder: Path, site: Site, revision: str = "unpinned", more: str = "", files: str = "") -> Path:
    """A catalogue whose model is a folder of safetensors."""
    catalogue(folder, "")
    text = (folder / "models.toml").read_text()
    (folder / "models.toml").write_text(
        text[: text.index(f"[tiny.weights.{GGUF}]")]
        + f"""
[tiny.weights.bf16]
format = "safetensors"
precision = "bf16"
size_bytes = 1000
{files}
sources = [{{ kind = "huggingface", endpoint = "{site.url}", repo = "maker/folder", revision = "{revision}" {more} }}]
"""
    )
    return folder


def hub(site: Site) -> str:
    lines = (
        f'kind = "huggingface"\nendpoint = "{site.url}"\nrepo = "maker/tiny"\nrevision = "{COMMIT}"\nfile = "tiny.gguf"'
    )
    return f"[[tiny.weights.{GGUF}.sources]]\n{lines}\n"


def library(site: Site, digest: str = "") -> str:
    known = f'digest = "{digest}"' if digest else ""
    return (
        f'[[tiny.weights.{GGUF}.sources]]\nkind = "ollama"\nendpoint = "{site.url}"\nname = "tiny"\ntag = "small"\n'
        f"{known}\n"
    )


def pin(folder: Path, registry: Registry | None = None) -> str:
    console = Console(record=True, width=140, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        pin_catalogue(registry or Registry(), console, folder)  # type: ignore[arg-type]
        return console.export_text()


def test_digests_and_sha256_are_looked_up_and_lie_over_the_catalogue(tmp_path: Path, site: Site) -> None:
    manifest = publish_library(site)
    folder = catalogue(tmp_path, hub(site) + library(site))
    assert not read(folder).models["tiny"].pinned
    registry = Registry()
    printed = pin(folder, registry)
    pinned = read(folder)
    assert registry.asked == ["maker/gate:3.4.4"]
    assert pinned.images["gate"].digest == NEW
    assert pinned.models["tiny"].pinned
    weights = pinned.models["tiny"].weights[GGUF]
    assert weights.file.sha256 == sha256(WEIGHTS)
    assert weights.size_bytes == weights.file.size_bytes == len(WEIGHTS)
    assert [getattr(s, "digest", None) for s in weights.sources] == [None, manifest]
    assert "image gate" in printed
    assert NEW[:16] in printed


def test_the_file_says_when_and_by_what_it_was_written(tmp_path: Path, site: Site) -> None:
    pin(catalogue(tmp_path, hub(site)))
    text = (tmp_path / "pins.toml").read_text()
    assert text.startswith("# Written by `make pin`")
    assert "Looked up on 20" in text


def test_a_second_run_finds_everything_the_same(tmp_path: Path, site: Site) -> None:
    folder = catalogue(tmp_path, hub(site))
    pin(folder)
    before = (folder / "pins.toml").read_text()
    printed = pin(folder)
    assert (folder / "pins.toml").read_text() == before
    assert printed.count("the same") == 2


def test_what_a_model_row_already_says_is_not_repeated(tmp_path: Path, site: Site) -> None:
    folder = catalogue(tmp_path, hub(site), pin=f'sha256 = "{sha256(WEIGHTS)}"', size=len(WEIGHTS))
    pin(folder)
    assert "tiny" not in (folder / "pins.toml").read_text()


def test_a_moved_library_tag_is_pinned_anew_and_shown(tmp_path: Path, site: Site) -> None:
    manifest = publish_library(site)
    folder = catalogue(tmp_path, library(site, digest=OLD), pin=f'sha256 = "{OLD}"')
    printed = pin(folder)
    (source,) = read(folder).models["tiny"].weights[GGUF].sources
    assert source.digest == manifest  # type: ignore[union-attr]
    assert sha256(WEIGHTS)[:16] in printed


def test_a_hub_that_contradicts_the_pin_of_the_same_commit_changes_nothing(tmp_path: Path, site: Site) -> None:
    folder = catalogue(tmp_path, hub(site), pin=f'sha256 = "{OLD}"')
    with pytest.raises(UserError, match="has other bytes"):
        pin(folder)
    assert not (folder / "pins.toml").exists()


def test_two_sources_with_different_bytes_are_refused(tmp_path: Path, site: Site) -> None:
    publish_library(site, weights=b"\xff" + WEIGHTS[1:])
    with pytest.raises(UserError, match="has other bytes"):
        pin(catalogue(tmp_path, library(site) + hub(site)))
    assert not (tmp_path / "pins.toml").exists()


def test_an_unreachable_registry_is_one_sentence_and_changes_nothing(tmp_path: Path, site: Site) -> None:
    from docker.errors import APIError

    (catalogue(tmp_path, hub(site)) / "pins.toml").write_text("# as it was\n")
    with pytest.raises(UserError) as refused:
        pin(tmp_path, Registry(APIError("x", explanation="Get https://registry.example/v2/: dial tcp: no such host")))
    assert str(refused.value).splitlines()[0] == "the digest of maker/gate:3.4.4 cannot be looked up: no such host"
    assert "nothing was written" in str(refused.value)
    assert (tmp_path / "pins.toml").read_text() == "# as it was\n"


def test_an_unreachable_hub_is_one_sentence_and_changes_nothing(tmp_path: Path, site: Site) -> None:
    site.url = "http://127.0.0.1:9"
    with pytest.raises(UserError, match=r"model 'tiny' cannot be looked up at http://127\.0\.0\.1:9"):
        pin(catalogue(tmp_path, hub(site)))
    assert not (tmp_path / "pins.toml").exists()


def test_a_missing_file_or_commit_is_named(tmp_path: Path, site: Site) -> None:
    with pytest.raises(UserError, match="it answered 404"):
        pin(catalogue(tmp_path, hub(site).replace(COMMIT, "d" * 40)))
    with pytest.raises(UserError, match=r"has no file other\.gguf"):
        pin(catalogue(tmp_path, hub(site).replace('file = "tiny.gguf"', 'file = "other.gguf"')))


def test_an_answer_that_is_no_digest_is_never_written(tmp_path: Path, site: Site) -> None:
    with pytest.raises(UserError, match="gave 'latest' as the digest"):
        pin(catalogue(tmp_path, hub(site)), Registry("latest"))
    assert not (tmp_path / "pins.toml").exists()


def test_a_folder_that_is_not_looked_up_gets_commit_files_sizes_and_sha256(tmp_path: Path, site: Site) -> None:
    publish(site, FOLDER | BESIDE, repo="maker/folder")
    folder = of_folder(tmp_path, site)
    assert not read(folder).models["tiny"].pinned
    pin(folder)
    weights = read(folder).models["tiny"].weights["bf16"]
    assert read(folder).models["tiny"].pinned
    assert {file.path: (file.size_bytes, file.sha256) for file in weights.files} == {
        path: (len(data), sha256(data)) for path, data in FOLDER.items()
    }
    assert weights.size_bytes == sum(map(len, FOLDER.values()))
    assert weights.sources[0].revision == COMMIT  # type: ignore[union-attr]
    fetched = {path.split("/")[-1] for path, _ in site.requests if "/resolve/" in path}
    assert fetched == {"config.json", "tokenizer.json"}, "weights are not fetched to be pinned"


def test_what_is_pinned_for_a_folder_is_what_the_program_fetches_of_an_unpinned_one(tmp_path: Path, site: Site) -> None:
    publish(site, FOLDER | BESIDE | {"consolidated.safetensors": b"x"}, repo="maker/folder")
    pin(of_folder(tmp_path, site))
    paths = list(FOLDER | BESIDE | {"consolidated.safetensors": b"x"})
    reason = program("slm_fetch.names").skip_reason
    taken = {path for path in paths if reason(path, "safetensors", paths) is None}
    assert {file.path for file in read(tmp_path).models["tiny"].weights["bf16"].files} == taken == set(FOLDER)


def test_a_sub_folder_is_listed_without_its_prefix(tmp_path: Path, site: Site) -> None:
    publish(site, {f"cpu/{path}": data for path, data in FOLDER.items()} | BESIDE, repo="maker/folder")
    pin(of_folder(tmp_path, site, more=', folder = "cpu"'))
    assert {file.path for file in read(tmp_path).models["tiny"].weights["bf16"].files} == set(FOLDER)


def test_only_the_files_that_a_row_names_are_looked_up(tmp_path: Path, site: Site) -> None:
    publish(site, FOLDER | BESIDE, repo="maker/folder")
    named = [path for path in FOLDER if path != "tokenizer.json"]
    files = "files = [" + ", ".join(f'{{ path = "{path}" }}' for path in named) + "]"
    pin(of_folder(tmp_path, site, revision=COMMIT, files=files))
    weights = read(tmp_path).models["tiny"].weights["bf16"]
    assert [file.path for file in weights.files] == named
    assert read(tmp_path).models["tiny"].pinned


def test_an_unpinned_revision_follows_the_branch_when_it_is_looked_up_again_and_a_commit_does_not(
    tmp_path: Path, site: Site
) -> None:
    publish(site, FOLDER, repo="maker/folder")
    folder = of_folder(tmp_path, site)
    pin(folder)
    newer = FOLDER | {"config.json": b'{"model_type": "tinier"}'}
    publish(site, newer, NEWER, repo="maker/folder")
    printed = pin(folder)
    weights = read(folder).models["tiny"].weights["bf16"]
    assert weights.sources[0].revision == NEWER  # type: ignore[union-attr]
    assert {f.path: f.sha256 for f in weights.files}["config.json"] == sha256(newer["config.json"])
    assert weights.pin()[:16] in printed
    pin(of_folder(folder, site, revision=COMMIT))
    assert read(folder).models["tiny"].weights["bf16"].sources[0].revision == COMMIT  # type: ignore[union-attr]


def test_a_small_file_that_is_not_the_listed_one_changes_nothing(tmp_path: Path, site: Site) -> None:
    publish(site, FOLDER, repo="maker/folder")
    site.files[f"/maker/folder/resolve/{COMMIT}/config.json"] = b"{}"
    with pytest.raises(UserError, match="is not the file that the listing"):
        pin(of_folder(tmp_path, site))
    assert not (tmp_path / "pins.toml").exists()


def test_a_folder_without_weights_of_the_format_is_named(tmp_path: Path, site: Site) -> None:
    publish(site, {"config.json": b"{}"}, repo="maker/folder")
    with pytest.raises(UserError, match="has no safetensors files"):
        pin(of_folder(tmp_path, site))


def test_a_throttling_hub_is_waited_for(tmp_path: Path, site: Site) -> None:
    path = f"/api/models/maker/tiny/revision/{COMMIT}"
    site.status[path], site.headers[path] = [429, 503, 200], {"Retry-After": "0"}
    pin(catalogue(tmp_path, hub(site)))
    assert len(site.asked(path)) == 3


def test_a_token_is_taken_from_the_environment_only_for_sources_that_name_a_secret(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    publish(site, FOLDER, repo="maker/folder")
    pin(of_folder(tmp_path, site))
    assert {headers.get("Authorization") for _, headers in site.requests} == {None}
    site.requests.clear()
    with serving(Site(files={"/blob": FOLDER["config.json"]})) as storage:
        site.redirect[f"/maker/folder/resolve/{COMMIT}/config.json"] = f"{storage.url}/blob"
        pin(of_folder(tmp_path, site, more=', token_secret = "hub-token"'))
        assert {headers.get("Authorization") for _, headers in storage.requests} == {None}
    assert {headers.get("Authorization") for _, headers in site.requests} == {"Bearer hf_canary"}


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_not_printed_and_the_fix_names_the_variable(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    site.status["/api/models/maker/folder/revision/main"] = [status]
    with pytest.raises(UserError) as refused:
        pin(of_folder(tmp_path, site, more=', token_secret = "hub-token"'))
    assert "HF_TOKEN" in str(refused.value)
    assert "licence" in str(refused.value)
    assert "canary" not in str(refused.value)


def test_weights_whose_sources_tell_no_sha256_are_named_and_do_not_stop_the_others(tmp_path: Path, site: Site) -> None:
    azure = '{ kind = "azure", model = "Tiny", version = "3", folder = "onnx" }'
    folder = catalogue(tmp_path, hub(site))
    with (folder / "models.toml").open("a") as rows:
        rows.write(
            f'[tiny.weights.onnx]\nformat = "onnx"\nprecision = "int4"\ndevice = "cpu"\nsize_bytes = 5\n'
            f"sources = [{azure}]\n"
        )
    printed = pin(folder)
    assert "weights 'onnx': none of its sources tells a sha256" in printed
    weights = read(folder).models["tiny"].weights
    assert not weights[GGUF].unpinned()
    assert weights["onnx"].unpinned()


def test_converted_weights_are_pinned_by_their_origin(tmp_path: Path, site: Site) -> None:
    folder = catalogue(tmp_path, hub(site))
    with (folder / "models.toml").open("a") as rows:
        rows.write(
            '[tiny.weights.hf]\nformat = "safetensors"\nprecision = "bf16"\nsize_bytes = 5\n'
            f'converted_from = "{GGUF}"\n'
        )
    pin(folder)
    assert "hf" not in (folder / "pins.toml").read_text()
    assert read(folder).models["tiny"].pinned
