"""Which image plays a role: pulled, built, or refused, and never silently another one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest
from rich.console import Console

from components.catalog import catalog
from ops.errors import UserError
from ops.images import resolve as images
from ops.images.resolve import resolve

pytestmark = pytest.mark.unit

ROW = catalog().images["haproxy"]
DIGEST = f"docker.io/library/haproxy:3@sha256:{'a' * 64}"
BUILT = f"sha256:{'b' * 64}"


class Registry:
    """A Docker engine whose registry says `error`, or serves when it is None. `has` are the images it has."""

    def __init__(self, error: str | None = None, has: tuple[str, ...] = ()) -> None:
        self.error, self.has = error, has
        self.images = self.api = self
        self.pulled: list[str] = []

    def get(self, image: str) -> SimpleNamespace:
        if image not in self.has:
            raise docker.errors.ImageNotFound(image)
        return SimpleNamespace(id=image, labels={})

    def pull(self, repository: str, tag: str, **_: Any) -> Any:
        self.pulled.append(f"{repository}@{tag}")
        return iter([{"error": self.error}] if self.error else [{"status": "Downloading"}])


class Builder:
    def __init__(self, fails: bool = False) -> None:
        self.fails, self.built = fails, 0

    def present(self, *_: object) -> None:
        return None

    def up_to_date(self, *_: object) -> bool:
        return True

    def build(self, role: str, _row: object) -> str:
        self.built += 1
        if self.fails:
            raise UserError(f"the image {role} could not be built; its last lines:\n    no mirror", fix="a mirror")
        return BUILT


def found(registry: Registry, wanted: str | None, builder: Builder | None = None) -> str:
    builder = builder or Builder()
    return resolve(registry, "haproxy", ROW, wanted, builder, Console(quiet=True))  # type: ignore[arg-type]


def test_an_image_that_is_there_is_used_without_asking_anyone() -> None:
    registry = Registry("never asked", has=(DIGEST,))
    assert found(registry, DIGEST) == DIGEST
    assert registry.pulled == []


def test_an_image_is_pulled_by_its_digest() -> None:
    registry = Registry()
    assert found(registry, DIGEST) == DIGEST
    assert registry.pulled == [f"docker.io/library/haproxy@sha256:{'a' * 64}"]


def test_a_silent_registry_means_a_build() -> None:
    builder = Builder()
    assert found(Registry("dial tcp: lookup registry: no such host"), DIGEST, builder) == BUILT
    assert builder.built == 1


def test_a_digest_the_registry_does_not_have_is_an_error_and_never_another_image() -> None:
    builder = Builder()
    with pytest.raises(UserError, match="the registry has no image") as raised:
        found(Registry("manifest unknown: manifest unknown"), DIGEST, builder)
    assert "make pin" in str(raised.value)
    assert builder.built == 0


def test_an_image_that_can_neither_be_pulled_nor_built_says_why() -> None:
    with pytest.raises(UserError, match="no mirror"):
        found(Registry("i/o timeout"), DIGEST, Builder(fails=True))


def test_the_reason_of_a_silent_registry_is_the_end_of_the_chain() -> None:
    assert images._short("Get https://x/v2/: dial tcp: lookup x: no such host") == "no such host"
