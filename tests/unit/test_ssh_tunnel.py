"""What a tunnel leaves behind and finds, without a host."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from components.targets.docker import tunnel
from components.targets.docker.ssh_errors import SshError
from components.targets.docker.tunnel import PREFIX, Tunnel, remove_abandoned
from components.targets.spec import Docker
from tests.unit.settings_base import HOST_KEY

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_folders_of_processes_that_have_ended_are_removed_and_no_others(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    gone, mine = tmp_path / f"{PREFIX}{ended.pid}-abc", tmp_path / f"{PREFIX}{os.getpid()}-abc"
    for folder in (gone, mine, tmp_path / "other"):
        folder.mkdir()
    (gone / "docker.sock").touch()
    remove_abandoned()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["other", mine.name])


def test_a_private_key_that_is_not_there_is_told_before_anything_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnel.subprocess, "Popen", None)
    spec = Docker(host="ssh://slm@192.0.2.1", host_key=HOST_KEY, key_file="/nowhere/key")
    with pytest.raises(SshError, match="/nowhere/key"), Tunnel(spec):
        raise AssertionError("it was opened")
    assert list(tmp_path.iterdir()) == []
