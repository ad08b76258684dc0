"""What a checkout makes of the bundle it came in."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import docker.errors
import pytest
import yaml

from components.model_sources import PathSource
from components.settings import load
from components.settings.stack_file import DESCRIPTION
from ops.bundle import loaded
from ops.bundle.loaded import BundledImage
from ops.errors import UserError
from ops.images import resolve as images
from tests.unit.settings_base import BASE, load_changed

pytestmark = pytest.mark.unit

MODEL, FORM = "qwen2.5-coder-0.5b-instruct", "gguf-q4_k_m"
IMAGE = BundledImage(id="sha256:" + "c" * 64, tags=("slm.local/fetch:1",), config="c" * 64, layers=("1" * 64, "2" * 64))


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release as `make load` leaves it, with an image and the weights of the stack's model."""
    folder = tmp_path / "site/releases/20261127T120000Z-0123456789ab"
    (folder / ".bundle/images").mkdir(parents=True)
    index = {"fetch": IMAGE.model_dump(mode="json")}
    (folder / ".bundle/images/index.json").write_text(json.dumps(index))
    for blob in ("c" * 64, "1" * 64, "2" * 64):
        (folder / ".bundle/images" / blob).write_bytes(blob[:3].encode())
    (folder / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": dict(BASE)}))
    pin = load("dev", folder).models[MODEL].weights[FORM].pin()
    (folder / ".bundle/weights" / pin).mkdir(parents=True)
    (tmp_path / "site/current").symlink_to(f"releases/{folder.name}")
    return folder


def test_its_stacks_take_weights_and_images_from_the_bundle(release: Path) -> None:
    settings = load("dev", release, {"slm:images": {"fetch": "sha256:" + "d" * 64}})
    assert settings.images["fetch"] == IMAGE.id
    before = settings.models["phi4-mini"]
    form = settings.models[MODEL].weights[FORM]
    (source,) = form.sources
    # Through the link, so that the next bundle does not make the same description another one.
    current = release.parent.parent / "current/.bundle/weights"
    assert source == PathSource(path=f"{current}/{form.pin()}/{form.file.path}")
    assert before == load_changed({}, release.parent).models["phi4-mini"]


def test_a_host_that_is_rolled_back_keeps_the_images_it_had(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DESCRIPTION, str(release / "Pulumi.dev.yaml"))
    old = "sha256:" + "d" * 64
    assert load("dev", release, {"slm:images": {"fetch": old}}).images["fetch"] == old


class Engine:
    """A Docker engine that has nothing, and takes what is loaded."""

    def __init__(self, gives: str = IMAGE.id) -> None:
        self.images = self
        self.gives, self.has, self.archives = gives, set[str](), list[bytes]()

    def get(self, image: str) -> str:
        if image not in self.has:
            raise docker.errors.ImageNotFound("no such image")
        return image

    def load(self, archive: Iterable[bytes]) -> None:
        self.archives.append(b"".join(archive))
        self.has.add(self.gives)


def test_an_engine_without_the_image_gets_it_from_the_bundle_once(release: Path) -> None:
    engine: Any = Engine()
    assert loaded.bring(engine, IMAGE.id, release)
    assert loaded.bring(engine, IMAGE.id, release)
    (archive,) = engine.archives
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        held = {name: tar.extractfile(name).read() for name in tar.getnames()}  # type: ignore[union-attr]
    (described,) = json.loads(held.pop("manifest.json"))
    assert described["RepoTags"] == ["slm.local/fetch:1"]
    assert [held[name] for name in (described["Config"], *described["Layers"])] == [b"ccc", b"111", b"222"]


def test_what_the_bundle_has_not_is_not_brought(release: Path, tmp_path: Path) -> None:
    engine: Any = Engine()
    assert not loaded.bring(engine, "sha256:" + "d" * 64, release)
    assert not loaded.bring(engine, None, release)
    assert not loaded.bring(engine, IMAGE.id, tmp_path)
    assert engine.archives == []


def test_an_engine_that_names_images_otherwise_is_told_what_to_change(release: Path) -> None:
    engine: Any = Engine(gives="sha256:" + "e" * 64)
    with pytest.raises(UserError, match="another id") as told:
        loaded.bring(engine, IMAGE.id, release)
    assert "containerd-snapshotter" in str(told.value)


def test_an_image_of_the_bundle_is_neither_pulled_nor_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images.loaded, "bring", lambda client, image: image == IMAGE.id)
    nothing: Any = None
    assert images.find(nothing, "fetch", nothing, IMAGE.id, nothing, nothing, {}) == IMAGE.id
