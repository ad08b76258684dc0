"""`make pin` against a local hub and library; the image registry's half is in tests/docker, with a real engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from components.catalog import read
from ops.errors import UserError
from ops.pin import pin_catalogue
from tests.unit.fetch_harness import WEIGHTS, Site, publish_library, serving, sha256

pytestmark = pytest.mark.unit

COMMIT = "c" * 40
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


@pytest.fixture
def site() -> Iterator[Site]:
    facts = {
        "sha": COMMIT,
        "siblings": [{"rfilename": "tiny.gguf", "lfs": {"sha256": sha256(WEIGHTS), "size": len(WEIGHTS)}}],
    }
    with serving(Site(files={f"/api/models/maker/tiny/revision/{COMMIT}": json.dumps(facts).encode()})) as running:
        yield running


def catalogue(folder: Path, sources: str, pin: str = "", size: int = 1) -> Path:
    (folder / "images.toml").write_text(IMAGES)
    (folder / "models.toml").write_text(
        f"""
[tiny]
license = "MIT"
file = "tiny.gguf"
size_bytes = {size}
{pin}
context_length = 4096
parameters = 1
kv_bytes_per_token = 1
{sources}
"""
    )
    return folder


def hub(site: Site) -> str:
    lines = (
        f'kind = "huggingface"\nendpoint = "{site.url}"\nrepo = "maker/tiny"\nrevision = "{COMMIT}"\nfile = "tiny.gguf"'
    )
    return f"[[tiny.sources]]\n{lines}\n"


def library(site: Site, digest: str = "") -> str:
    known = f'digest = "{digest}"' if digest else ""
    return f'[[tiny.sources]]\nkind = "ollama"\nendpoint = "{site.url}"\nname = "tiny"\ntag = "small"\n{known}\n'


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
    assert pinned.models["tiny"].sha256 == sha256(WEIGHTS)
    assert pinned.models["tiny"].size_bytes == len(WEIGHTS)
    assert [getattr(s, "digest", None) for s in pinned.models["tiny"].sources] == [None, manifest]
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
    (source,) = read(folder).models["tiny"].sources
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
    with pytest.raises(UserError, match=r"has no large file other\.gguf"):
        pin(catalogue(tmp_path, hub(site).replace('file = "tiny.gguf"', 'file = "other.gguf"')))


def test_an_answer_that_is_no_digest_is_never_written(tmp_path: Path, site: Site) -> None:
    with pytest.raises(UserError, match="gave 'latest' as the digest"):
        pin(catalogue(tmp_path, hub(site)), Registry("latest"))
    assert not (tmp_path / "pins.toml").exists()
