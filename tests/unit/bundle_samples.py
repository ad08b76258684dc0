"""A small bundle of two dozen kilobytes, signed with a key of its own, and a site to load it to."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from ops.bundle.item import Item
from ops.bundle.signing import sign
from ops.bundle.writer import loader, write
from tools.load.archive import MANIFEST, SIGNATURE, ending, header, padding
from tools.load.command import load
from tools.load.manifest import Manifest
from tools.load.site import Site
from tools.table import Platform

STACK = "edge"
OLD, NEW, NEWEST = (f"2026112{day}T120000Z-0123456789ab" for day in (5, 6, 7))
LONG = "program/docs/" + "a-name-that-no-header-of-a-tar-holds-in-one-block/" * 2 + "file.md"
ITEMS = (
    Item("load.pyz", loader(), executable=True),
    Item("sbom.cdx.json", b"{}\n"),
    Item("program/Makefile", b"up:\n\ttrue\n"),
    Item("program/tools/run.sh", b"#!/bin/sh\n", executable=True),
    Item(LONG, b"a long name\n"),
    Item("wheels/one-1.0-py3-none-any.whl", b"a wheel"),
    Item("tools/pulumi/3.259.0-cad8b701/pulumi", b"a program", executable=True),
    Item("images/index.json", b"{}"),
    Item("weights/abc/model.gguf", bytes(range(256)) * 5),
)


class Bench:
    """Keys, bundles and a site in a folder of a test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site, self.cache = Site(folder / "site"), folder / "cache"
        self.key, self.other = self._key("key"), self._key("other")

    def loaded(self) -> Bench:
        """Itself, its site with a bundle whose key it trusts."""
        self.load(self.bundle(), self.public)
        return self

    @property
    def public(self) -> str:
        return f"{self.key}.pub"

    def manifest(self, version: str = NEW, items: tuple[Item, ...] = ITEMS) -> Manifest:
        here = Platform.here()
        return Manifest(
            stack=STACK,
            hosts="",
            version=version,
            commit="0123456789ab",
            platform=f"{here.os}/{here.arch}",
            pythons=(f"{sys.version_info[0]}.{sys.version_info[1]}",),
            glibc="2.17",
            supply=("a key",),
            members=tuple(item.member() for item in items),
        )

    def bundle(
        self, version: str = NEW, items: tuple[Item, ...] = ITEMS, key: Path | None = None, **changes: object
    ) -> Path:
        """A bundle as `make bundle` writes it, whose manifest has `changes`."""
        manifest = replace(self.manifest(version, items), **changes)  # type: ignore[arg-type]
        file = self.folder / f"{version}-{len(list(self.folder.iterdir()))}.tar"
        write(file, manifest, sign(manifest.text(), key or self.key), items, lambda _: None)
        return file

    def archive(self, manifest: bytes, entries: bytes, key: Path | None = None) -> Path:
        """An archive whose manifest is signed rightly and whose rest is whatever is given."""
        file, packed = self.folder / "made.tar", b""
        for name, content in ((MANIFEST, manifest), (SIGNATURE, sign(manifest, key or self.key))):
            packed += header(name, len(content)) + content + padding(len(content))
        packed += entries
        file.write_bytes(packed + ending(len(packed)))
        return file

    def load(self, file: Path, key: str = "", older: str = "") -> None:
        load(file, self.site, self.cache, key, older)

    def nothing_happened(self) -> bool:
        """Whether neither site nor cache were made."""
        return not self.site.folder.exists() and not list(self.cache.rglob("*"))

    def _key(self, name: str) -> Path:
        path = self.folder / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
        return path


def entry(item: Item) -> bytes:
    """A file as it lies in an archive."""
    with item.open() as content:
        text = content.read()
    return header(item.name, len(text), executable=item.executable) + text + padding(len(text))


def notes(site: Site) -> list[dict[str, object]]:
    """What the site's audit file says."""
    return [json.loads(line) for line in (site.state / "audit.jsonl").read_text().splitlines()]
