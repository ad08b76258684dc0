"""The ONNX server's image: the versions of the lock, and the server's code in the build and in its digest."""

from __future__ import annotations

import tomllib
from pathlib import Path
from unittest.mock import Mock

import pytest
from rich.console import Console

from components.catalog import ImageRow
from ops.images.build import Builder
from ops.images.content import CONTEXT
from ops.machine import PROJECT

pytestmark = pytest.mark.unit

FOLDER = PROJECT / "images/onnx"


def pinned(name: str) -> dict[str, str]:
    lines = (line.split(" ")[0] for line in (FOLDER / name).read_text().splitlines())
    return dict(line.split("==") for line in lines if "==" in line)


def test_the_image_has_the_versions_that_the_tests_run_with() -> None:
    lock = tomllib.loads((PROJECT / "uv.lock").read_text())
    locked: dict[str, set[str]] = {}
    for package in lock["package"]:
        locked.setdefault(package["name"], set()).add(package.get("version", ""))
    group = tomllib.loads((PROJECT / "pyproject.toml").read_text())["dependency-groups"]["onnx-server"]
    wanted, installed = pinned("packages.in"), pinned("packages.txt")
    assert {entry.split(">")[0].split("=")[0] for entry in group} <= set(wanted)
    for name, version in wanted.items():
        assert version in locked[name], name
        assert installed[name] == version, name


def test_the_servers_code_is_in_the_build_and_in_its_digest(tmp_path: Path) -> None:
    assert [(PROJECT / line).is_dir() for line in (FOLDER / CONTEXT).read_text().split()] == [True]
    (tmp_path / "images/mine").mkdir(parents=True)
    (tmp_path / "servers/code").mkdir(parents=True)
    (tmp_path / "images/mine/Dockerfile").write_text("FROM scratch\n")
    (tmp_path / f"images/mine/{CONTEXT}").write_text("servers/code\n")
    program = tmp_path / "servers/code/main.py"
    program.write_text("first\n")
    row = ImageRow(purpose="a test", build="mine", build_version="1.0", user=10001)
    builder = Builder(Mock(), Console(quiet=True), images=tmp_path / "images", rows={"mine": row})
    before = builder.content(row)
    program.write_text("second\n")
    assert builder.content(row) != before
