"""What belongs to one machine: private, replaced in one step, changed by one command at a time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ops.errors import UserError
from ops.machine import Machine, write_private

pytestmark = pytest.mark.unit


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine("dev", tmp_path)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_everything_is_readable_by_its_owner_only(machine: Machine) -> None:
    machine.record({"model": "tiny"})
    assert mode(machine.directory) == 0o700
    assert mode(machine.backend) == 0o700
    assert mode(machine.passphrase_file) == 0o600
    assert mode(machine.config_file) == 0o600


def test_the_passphrase_is_made_once_and_at_random(machine: Machine, tmp_path: Path) -> None:
    first = machine.passphrase_file.read_text()
    assert machine.passphrase_file.read_text() == first
    assert len(first.strip()) >= 40
    assert Machine("other", tmp_path).passphrase_file.read_text() != first


def test_a_file_that_others_could_read_is_private_after_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert (path.read_text(), mode(path)) == ("new", 0o600)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_choices_are_recorded_and_forgotten_beside_what_pulumi_wrote(machine: Machine) -> None:
    write_private(machine.config_file, "encryptionsalt: abc\nconfig:\n  slm:apiKeys:\n    secure: xyz\n")
    machine.record({"model": "tiny", "images": {"fetch": "sha256:0"}})
    machine.record({"model": None})
    assert machine.config() == {
        "encryptionsalt": "abc",
        "config": {"slm:apiKeys": {"secure": "xyz"}, "slm:images": {"fetch": "sha256:0"}},
    }


def test_recording_what_is_recorded_does_not_touch_the_file(machine: Machine) -> None:
    machine.record({"model": "tiny"})
    before = machine.config_file.stat().st_ino
    machine.record({"model": "tiny"})
    assert machine.config_file.stat().st_ino == before


def test_looking_for_the_configuration_makes_no_folder(machine: Machine, tmp_path: Path) -> None:
    assert not machine.config_path.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_second_change_is_refused_and_names_the_first(machine: Machine, tmp_path: Path) -> None:
    with machine.lock("make up STACK=dev"), pytest.raises(UserError) as raised, Machine("dev", tmp_path).lock("other"):
        pytest.fail("two changes at once")
    assert f"'make up STACK=dev' of process {os.getpid()}" in str(raised.value)


def test_the_lock_is_free_again_after_an_error(machine: Machine) -> None:
    with pytest.raises(RuntimeError), machine.lock("one"):
        raise RuntimeError
    with machine.lock("two"):
        pass
