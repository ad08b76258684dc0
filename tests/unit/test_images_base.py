"""Which base an image built here stands on: Debian's own where a registry answers, else one made from packages."""

from __future__ import annotations

from typing import Any

import docker.errors
import pytest
from rich.console import Console

from ops.images.build import PUBLISHED_BASES, Builder

pytestmark = pytest.mark.unit


class Images:
    def __init__(self, present: set[str], served: set[str]) -> None:
        self.present, self.served = present, served

    def get(self, name: str) -> str:
        if name not in self.present:
            raise docker.errors.ImageNotFound(name)
        return name

    def pull(self, name: str) -> None:
        if name not in self.served:
            raise docker.errors.APIError("no such host")
        self.present.add(name)


def base(monkeypatch: pytest.MonkeyPatch, present: set[str], served: set[str]) -> tuple[str, list[list[str]]]:
    scripts: list[list[str]] = []
    client: Any = type("Client", (), {"images": Images(present, served)})()
    builder = Builder(client, Console(quiet=True))
    monkeypatch.setattr(builder, "_may_build_base", lambda: None)
    monkeypatch.setattr(builder, "_script", lambda what, command: scripts.append(command))
    return builder._base("fetch"), scripts


def test_a_machine_that_is_not_debian_builds_on_the_published_base(monkeypatch: pytest.MonkeyPatch) -> None:
    found, scripts = base(monkeypatch, set(), set(PUBLISHED_BASES.values()))
    assert found == PUBLISHED_BASES["bookworm"]
    assert scripts == [], "nothing needs root or Debian then"


def test_without_a_registry_the_base_is_made_from_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    found, scripts = base(monkeypatch, set(), set())
    assert found == "slm.local/base:bookworm"
    assert [command[1:] for command in scripts] == [["bookworm", "slm.local/base:bookworm"]]


def test_a_base_that_is_there_is_used_without_asking_anyone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert base(monkeypatch, {"slm.local/base:bookworm"}, set()) == ("slm.local/base:bookworm", [])


def test_published_bases_are_pinned_by_digest() -> None:
    assert all("@sha256:" in reference for reference in PUBLISHED_BASES.values())
