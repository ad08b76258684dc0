"""The build of Pulumi's Kubernetes plugin is the one that its script names."""

from __future__ import annotations

import hashlib
import re
from importlib.metadata import version
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

FOLDER = Path(__file__).parents[2] / "tools" / "build" / "kubernetes-plugin"
SCRIPT = (FOLDER / "build.sh").read_text()


def test_it_stamps_the_version_of_the_sdk() -> None:
    assert re.findall(r"^version=(\S+)", SCRIPT, re.MULTILINE) == [version("pulumi-kubernetes")]


def test_a_changed_source_changes_the_script_and_with_it_the_tools_digest() -> None:
    named = {file: digest for digest, file in re.findall(r"^([0-9a-f]{64}) (\S+)$", SCRIPT, re.MULTILINE)}
    files = [path for path in FOLDER.rglob("*") if path.is_file() and path.name != "build.sh"]
    assert named == {str(p.relative_to(FOLDER)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
