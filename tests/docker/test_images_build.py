"""Where images come from: a real Docker engine, a registry that speaks the OCI protocol on loopback, real builds.

The registry is a stand-in of some forty lines that serves manifests and blobs; the engine that pulls from it is real.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest
from rich.console import Console

from components.catalog import ImageRow
from components.settings import load
from ops.errors import UserError
from ops.images.build import IMAGES, Builder
from ops.images.resolve import RegistrySilent, pull, resolve, resolve_all
from ops.machine import PROJECT
from ops.pin.lookup import image_digest

pytestmark = pytest.mark.docker

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Registry:
    """One image `maker/tiny:1.0` and what serves it."""

    def __init__(self) -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            info = tarfile.TarInfo(f"made-{time.time_ns()}")
            tar.addfile(info, io.BytesIO())
        layer = gzip.compress(buffer.getvalue(), mtime=0)
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"User": "10001:10001"},
                "rootfs": {"type": "layers", "diff_ids": [sha256(buffer.getvalue())]},
            }
        ).encode()
        kinds = ("application/vnd.docker.container.image.v1+json", "application/vnd.docker.image.rootfs.diff.tar.gzip")
        described = [
            {"mediaType": k, "size": len(d), "digest": sha256(d)} for k, d in zip(kinds, (config, layer), strict=True)
        ]
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described[0], "layers": described[1:]}
        self.manifest = json.dumps(manifest).encode()
        self.digest = sha256(self.manifest)
        self.blobs = {sha256(config): config, sha256(layer): layer}
        self.requests: list[str] = []

    def answer(self, path: str) -> tuple[int, str, bytes]:
        self.requests.append(path)
        last = path.rsplit("/", 1)[-1]
        if path == "/v2/":
            return 200, "application/json", b"{}"
        if "/manifests/" in path and last in ("1.0", self.digest):
            return 200, MANIFEST, self.manifest
        if last in self.blobs:
            return 200, "application/octet-stream", self.blobs[last]
        return 404, "application/json", b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}'


@pytest.fixture
def registry() -> Iterator[tuple[Registry, str]]:
    content = Registry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = content.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if kind == MANIFEST:
                self.send_header("Docker-Content-Digest", content.digest)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield content, f"localhost:{server.server_port}/maker/tiny"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    found = docker.from_env()
    yield found
    found.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Build folders with one tiny image on the real base."""
    (tmp_path / "base").mkdir()
    (tmp_path / "base/build.sh").write_bytes((IMAGES / "base/build.sh").read_bytes())
    (tmp_path / "base/build.sh").chmod(0o755)
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny/Dockerfile").write_text("ARG BASE\nFROM ${BASE}\nRUN echo first > /made\nUSER 10001:10001\n")
    return tmp_path


@pytest.fixture
def row() -> ImageRow:
    return ImageRow(purpose="a test", build="tiny", build_version="1.0", user=10001)


def quiet() -> Console:
    return Console(record=True, width=160, quiet=True)


@pytest.fixture
def builder(client: docker.DockerClient, folder: Path) -> Iterator[Builder]:
    yield Builder(client, quiet(), images=folder)
    for image in client.images.list(filters={"label": "slm.role=tiny"}):
        client.images.remove(image.id, force=True)


def test_every_image_of_the_development_stack_is_had_and_the_second_time_at_once(
    client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load("dev", PROJECT, {"slm:monitoring": None})
    chosen = resolve_all(client, settings, quiet())
    assert set(chosen) == {"ollama", "fetch", "haproxy"}
    for role, image in chosen.items():
        assert client.images.get(image).attrs["Config"]["User"] not in ("", "0", "root"), role
    monkeypatch.setattr(Builder, "build", lambda *_: pytest.fail("an image was built again"))
    monkeypatch.setattr("ops.images.resolve.pull", lambda *_: pytest.fail("a registry was asked again"))
    assert resolve_all(client, settings, quiet()) == chosen


def test_an_image_no_registry_offers_is_built_once(
    client: docker.DockerClient, builder: Builder, row: ImageRow
) -> None:
    made = resolve(client, "tiny", row, None, builder, quiet())
    assert made.startswith("sha256:")
    created = client.images.get(made).attrs["Created"]
    assert resolve(client, "tiny", row, made, builder, quiet()) == made
    assert client.images.get(made).attrs["Created"] == created
    assert client.images.get(builder.tag("tiny", row)).id == made


def test_a_changed_build_folder_means_a_new_build(client: docker.DockerClient, builder: Builder, row: ImageRow) -> None:
    first = resolve(client, "tiny", row, None, builder, quiet())
    dockerfile = builder.images / "tiny/Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace("first", "second"))
    second = resolve(client, "tiny", row, first, builder, quiet())
    assert second != first


def test_a_sites_own_image_is_used_as_it_is(client: docker.DockerClient, builder: Builder, row: ImageRow) -> None:
    client.images.build(fileobj=io.BytesIO(b"FROM scratch\nLABEL made=elsewhere\n"), tag="slmtest/own:1", rm=True)
    own = str(client.images.get("slmtest/own:1").id)
    try:
        assert resolve(client, "tiny", row, own, builder, quiet()) == own
    finally:
        client.images.remove(own, force=True)


def test_a_build_that_fails_is_one_screen_with_its_last_lines(builder: Builder, row: ImageRow) -> None:
    (builder.images / "tiny/Dockerfile").write_text("ARG BASE\nFROM ${BASE}\nRUN echo the cause is here && false\n")
    with pytest.raises(UserError) as failed:
        builder.build("tiny", row)
    text = str(failed.value)
    assert "the cause is here" in text
    assert len(text.splitlines()) < 25


def test_a_pinned_image_is_pulled_by_digest_and_then_nobody_is_asked(
    client: docker.DockerClient, registry: tuple[Registry, str], builder: Builder, row: ImageRow
) -> None:
    content, name = registry
    wanted = f"{name}:1.0@{content.digest}"
    try:
        assert resolve(client, "tiny", row, wanted, builder, quiet()) == wanted
        assert content.requests
        content.requests.clear()
        assert resolve(client, "tiny", row, wanted, builder, quiet()) == wanted
        assert content.requests == []
    finally:
        client.images.remove(f"{name}@{content.digest}", force=True)


def test_fault_20_a_digest_the_registry_does_not_have_is_an_error_and_no_other_image(
    client: docker.DockerClient, registry: tuple[Registry, str], builder: Builder, row: ImageRow
) -> None:
    wanted = f"{registry[1]}:1.0@sha256:{'0' * 64}"
    with pytest.raises(UserError, match="the registry has no image") as refused:
        resolve(client, "tiny", row, wanted, builder, quiet())
    assert "make pin" in str(refused.value)
    assert builder.present("tiny", row) is None


def test_a_registry_that_does_not_answer_means_a_build_and_the_reason_is_said(
    client: docker.DockerClient, builder: Builder, row: ImageRow
) -> None:
    said = Console(record=True, width=200, file=io.StringIO())
    wanted = f"localhost:9/maker/tiny:1.0@sha256:{'1' * 64}"
    with pytest.raises(RegistrySilent):
        pull(client, wanted)
    assert resolve(client, "tiny", row, wanted, builder, said).startswith("sha256:")
    assert "connection refused" in said.export_text()


def test_the_digest_of_a_tag_is_looked_up_by_the_engine(
    client: docker.DockerClient, registry: tuple[Registry, str]
) -> None:
    content, name = registry
    assert f"sha256:{image_digest(client, f'{name}:1.0')}" == content.digest
    with pytest.raises(UserError, match="cannot be looked up"):
        image_digest(client, f"{name}:2.0")
