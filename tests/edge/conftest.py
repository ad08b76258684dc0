"""What tests with edge hosts share: a fleet of three, and an image whose layers nothing compresses."""

from __future__ import annotations

import io
import os
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from components.targets.spec import Docker
from ops.fleet.registry import Registry
from ops.fleet.registry_steps import Offer
from rehearsal.hosts import CannotRun, Fleet, Host, require
from tools.environment import toolchain_environment

MIB = 1 << 20
LAYERS = (1, 8, 2, 8, 1)
"""MiB of each layer of the test image."""


@pytest.fixture(scope="session", autouse=True)
def toolchain() -> Iterator[None]:
    """The project's own Pulumi first on PATH, as `make` puts it."""
    before = dict(os.environ)
    os.environ.update(toolchain_environment())
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    """Three hosts. Tests leave them on, reachable, and without containers."""
    try:
        require()
    except CannotRun as reason:
        pytest.skip(reason.what)
    with Fleet(("berlin-1", "berlin-2", "oslo-1")) as started:
        yield started


@pytest.fixture
def host(fleet: Fleet) -> Host:
    """One of them."""
    return fleet["berlin-1"]


@pytest.fixture
def other(fleet: Fleet) -> Host:
    """Another host than `host`."""
    return fleet["oslo-1"]


@pytest.fixture(scope="session")
def layered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Offer]]:
    """The folder of a registry that has an image of LAYERS, and what it offers."""
    folder = tmp_path_factory.mktemp("registry")
    client = docker.from_env()
    image, _ = client.images.build(
        fileobj=context(), custom_context=True, tag="slm.local/test-layers:1", forcerm=True, nocache=True
    )
    try:
        with Registry(folder) as registry:
            offer = registry.offer(client, str(image.id))
        yield folder, offer
    finally:
        client.images.remove(str(image.id), force=True)
        client.close()


@pytest.fixture
def serving(layered: tuple[Path, Offer]) -> Iterator[Registry]:
    with Registry(layered[0], read_only=True) as registry:
        yield registry


@pytest.fixture
def offer(layered: tuple[Path, Offer], fleet: Fleet) -> Iterator[Offer]:
    """The image, of which no host has anything before and after the test."""
    remove_images(fleet)
    yield layered[1]
    remove_images(fleet)


def remove_images(fleet: Fleet) -> None:
    for host in fleet:
        client = host.docker()
        for image in client.api.images():
            client.api.remove_image(image["Id"], force=True)
        assert client.api.images(all=True) == []
        client.close()


def context() -> io.BytesIO:
    """A build folder that makes an image of LAYERS, in which no layer is like one of an earlier run."""
    chance = random.Random()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        lines = ["FROM scratch", *(f"COPY layer{n} /layer{n}" for n in range(len(LAYERS))), 'CMD ["/none"]']
        files = {"Dockerfile": "\n".join(lines).encode()}
        files |= {f"layer{n}": chance.randbytes(size * MIB) for n, size in enumerate(LAYERS)}
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    packed.seek(0)
    return packed


def target(host: Host, **changes: Any) -> Docker:
    """The host as a stack file describes it."""
    described = {"host": host.url, "host_key": host.host_key, "key_file": str(host.key_file)}
    return Docker.model_validate({**described, **changes})
