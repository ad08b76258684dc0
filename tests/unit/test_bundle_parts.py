"""The parts of a bundle: packages for each Python, weights by their pins, the bill of materials."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from components.settings import Settings
from ops.bundle import command, contents, sbom, weights, wheels
from ops.bundle.item import Item
from ops.bundle.loaded import BundledImage
from ops.errors import UserError
from tests.unit.settings_base import load_changed
from tools.table import Platform

pytestmark = pytest.mark.unit

IMAGE = BundledImage(id="sha256:" + "c" * 64, tags=("slm.local/fetch:1",), config="c" * 64, layers=("1" * 64, "2" * 64))

# ---- packages ----


def test_requirements_of_one_python_are_those_whose_conditions_hold() -> None:
    locked = [
        "one==1.0 ; python_full_version < '3.12' --hash=sha256:aa --hash=sha256:bb",
        "two==2.0 ; sys_platform == 'win32' --hash=sha256:cc",
        "three==1!3.0 --hash=sha256:dd",
    ]
    linux = Platform(os="linux", arch="amd64")
    three = "three==1!3.0 --hash=sha256:dd"
    assert list(wheels._for("3.11", locked, linux)) == ["one==1.0 --hash=sha256:aa --hash=sha256:bb", three]
    assert list(wheels._for("3.13", locked, linux)) == [three]


def test_the_oldest_c_library_is_the_newest_that_a_wheel_asks_for() -> None:
    packages = [
        Item("wheels/a-1-py3-none-any.whl", b""),
        Item("wheels/b-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", b""),
        Item("wheels/c-1-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl", b""),
    ]
    assert wheels.glibc(packages[:1]) == "2.17"
    assert wheels.glibc(packages) == "2.24"


# ---- weights ----

MODEL, FORM = "qwen2.5-coder-0.5b-instruct", "gguf-q4_k_m"


def served(folder: Path, *sources: dict[str, Any], **changes: Any) -> Settings:
    weights_of = {"sources": list(sources), **changes}
    return load_changed({"models": {MODEL: {"weights": {FORM: weights_of}}}}, folder)


def test_weights_of_this_machine_are_taken_from_where_they_lie(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"weights")
    settings = served(tmp_path, {"kind": "path", "path": str(path)})
    wanted = weights.forms([("dev", settings), ("other", settings)])
    (item,) = weights.gather(wanted, tmp_path / "fetched", command.Console(quiet=True))
    file = settings.models[MODEL].weights[FORM].file
    # Not the digest of what lies there: writing compares it with the one that is pinned.
    assert item == Item(f"weights/{file.sha256}/{file.path}", path, sha256=str(file.sha256))


def test_weights_whose_digest_nobody_knows_are_refused(tmp_path: Path) -> None:
    settings = served(tmp_path, {"kind": "path", "path": "/m.gguf"}, files=[{"path": "m.gguf"}])
    with pytest.raises(UserError, match=r"the sha256 of m\.gguf is not known"):
        weights.forms([("dev", settings)])


# ---- bill of materials ----


def test_the_bill_of_materials_is_valid_and_names_every_part(tmp_path: Path) -> None:
    (form,) = weights.forms([("dev", served(tmp_path, {"kind": "path", "path": "/m.gguf"}))])
    text = sbom.bill(
        "dev",
        "20261127T120000Z-0123456789ab",
        datetime(2026, 11, 27, tzinfo=UTC),
        [Item("wheels/a_b-1.0-py3-none-any.whl", b"")],
        {"uv 0.13.9": [Item("tools/uv/0.13.9/bin/uv", b"", executable=True)]},
        {"fetch": IMAGE},
        {"fetch": [("libc6", "2.36-9")]},
        [form],
    )
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    parts = {part["bom-ref"]: part for part in json.loads(text)["components"]}
    assert parts["wheel/a_b-1.0-py3-none-any.whl"]["purl"].startswith("pkg:pypi/a-b@1.0")
    assert parts["image/fetch"]["components"][0]["purl"] == "pkg:deb/debian/libc6@2.36-9"
    assert parts["image/fetch"]["hashes"] == [{"alg": "SHA-256", "content": "c" * 64}]
    assert parts[f"weights/{form.pin}"]["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert parts["tool/uv"]["version"] == "0.13.9"


def test_packages_of_an_image_are_those_that_are_installed() -> None:
    status = "Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\nDescription: one\n two\n\n"
    status += "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n"
    assert contents.parsed(status) == [("libc6", "2.36-9")]
