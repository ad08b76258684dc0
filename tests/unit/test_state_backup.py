"""Copies of a state: what is refused of one, when one is made, and how many are kept."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ops.backup import file as backup_file
from ops.errors import UserError
from ops.machine import Machine
from ops.state import backup as state_backup

pytestmark = pytest.mark.unit

URN = "urn:pulumi:site::slm::docker:index/volume:Volume::data"


def document(*urns: str, version: int = 3, serial: int = 0, provider: str = "passphrase") -> dict[str, Any]:
    held = [{"urn": urn, "type": urn.split("::")[2], "custom": True} for urn in urns]
    return {
        "version": version,
        "deployment": {
            "manifest": {"time": f"2026-11-27T10:00:{serial:02}Z", "version": "v3.259.0"},
            "secrets_providers": {"type": provider, "state": {"salt": "v1:salt"}},
            "resources": held,
        },
    }


class Pulumi:
    """Pulumi whose state is `content`; what is imported is in `imported`."""

    def __init__(self, machine: Machine, content: dict[str, Any], *, there: bool = True) -> None:
        self.machine, self.content, self.there = machine, content, there
        self.imported: dict[str, Any] | None = None

    def check(self, *arguments: str) -> str:
        file = Path(arguments[arguments.index("--file") + 1])
        if arguments[:2] == ("stack", "export"):
            file.write_text(json.dumps(self.content))
        else:
            assert arguments[:2] == ("stack", "import")
            self.imported = json.loads(file.read_text())
        return ""

    def exists(self) -> bool:
        return self.there

    def make(self, *, restored: bool) -> None:
        assert restored
        self.there = True


def quiet() -> Console:
    return Console(file=io.StringIO(), width=300)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine("site", tmp_path)
    assert made.passphrase_file.exists()
    made.record({"model": "phi4-mini"})
    return made


def save(machine: Machine, content: dict[str, Any], file: Path | None = None) -> Path:
    saved = state_backup.save(Pulumi(machine, content), file)  # type: ignore[arg-type]
    assert saved is not None
    return saved


def put_back(machine: Machine, file: Path | None = None, now: dict[str, Any] | None = None) -> Pulumi:
    pulumi = Pulumi(machine, now or document(), there=now is not None)
    state_backup.put_back(pulumi, file, quiet())  # type: ignore[arg-type]
    return pulumi


def test_a_copy_holds_state_and_configuration_and_no_passphrase(machine: Machine) -> None:
    file = save(machine, document(URN))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    manifest, state, configuration = state_backup.read(file, "site")
    assert [(entry.name, entry.version) for entry in manifest.parts] == [
        ("state", "v3.259.0"),
        ("configuration", "v3.259.0"),
    ]
    assert json.loads(state) == document(URN)
    assert b"phi4-mini" in configuration
    assert machine.passphrase_file.read_text().strip().encode() not in file.read_bytes() + state + configuration


def test_what_has_not_changed_is_not_saved_twice(machine: Machine) -> None:
    first = save(machine, document(URN))
    assert save(machine, document(URN)) == first
    assert save(machine, document(URN, serial=1)) != first
    machine.record({"model": "qwen3-0.6b"})
    assert len({first, save(machine, document(URN, serial=1))}) == 2
    assert len(state_backup.copies(machine)) == 3


def test_a_damaged_newest_copy_does_not_count_as_one(machine: Machine) -> None:
    first = save(machine, document(URN))
    first.write_bytes(b"no zip")
    assert save(machine, document(URN)) != first


def test_a_state_without_resources_is_not_saved(machine: Machine) -> None:
    stack = "urn:pulumi:site::slm::pulumi:pulumi:Stack::slm-site"
    for content in (document(), document(stack), {"version": 3, "deployment": None}):
        assert state_backup.save(Pulumi(machine, content)) is None  # type: ignore[arg-type]


def test_the_last_copies_are_kept_and_what_a_person_named_stays(machine: Machine, tmp_path: Path) -> None:
    own = save(machine, document(URN), tmp_path / "mine.zip")
    for serial in range(state_backup.KEPT + 3):
        pulumi = Pulumi(machine, document(URN, serial=serial))
        state_backup.save_before_a_change(pulumi, quiet())  # type: ignore[arg-type]
    kept = state_backup.copies(machine)
    assert len(kept) == state_backup.KEPT
    newest = json.loads(state_backup.read(kept[-1], "site")[1])["deployment"]["manifest"]["time"]
    assert newest == f"2026-11-27T10:00:{state_backup.KEPT + 2:02}Z"
    assert own.exists()
    folder = machine.project / ".slm/backups/site"
    (folder / "backup-20261127-100000.zip").touch()
    assert state_backup.remove_copies(machine) == state_backup.KEPT
    assert [file.name for file in folder.iterdir()] == ["backup-20261127-100000.zip"], "data is no copy of the state"
    (folder / "backup-20261127-100000.zip").unlink()
    assert state_backup.remove_copies(machine) == 0
    assert not folder.exists()


def test_the_newest_is_put_back_after_what_is_there_was_saved(machine: Machine) -> None:
    save(machine, document(URN))
    save(machine, document(URN, serial=1))
    pulumi = put_back(machine, now=document(URN, serial=9))
    assert pulumi.imported == document(URN, serial=1)
    (before,) = (machine.project / ".slm/backups/site").glob("state-before-restore-*.zip")
    assert json.loads(state_backup.read(before, "site")[1]) == document(URN, serial=9)


def test_a_lost_stack_is_made_and_a_lost_configuration_comes_back(machine: Machine) -> None:
    save(machine, document(URN))
    machine.config_file.unlink()
    pulumi = put_back(machine)
    assert pulumi.there
    assert pulumi.imported == document(URN)
    assert machine.config()["config"] == {"slm:model": "phi4-mini"}


def test_without_its_passphrase_a_copy_is_refused_and_no_other_passphrase_is_made(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE", raising=False)
    save(machine, document(URN))
    held = machine.directory / "passphrase"
    held.unlink()
    with pytest.raises(UserError, match=r"passphrase of stack 'site'.*\n.*\n.*\.slm/site/passphrase"):
        put_back(machine)
    assert not held.exists()
    save(machine, document(URN, provider="azurekeyvault"))
    assert put_back(machine).imported


def _other_stack(machine: Machine) -> bytes:
    return save(Machine("other", machine.project), document(URN.replace("site", "other"))).read_bytes()


def _archive(machine: Machine, state: bytes) -> bytes:
    file = machine.project / "made.zip"
    with backup_file.writing(file, "site", "2026-11-27T10:00:00+00:00") as writer:
        writer.add("state", "v3", [state])
    return file.read_bytes()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda m: b"no zip", "no whole backup"),
        (lambda m: save(m, document(URN)).read_bytes()[:-30], "no whole backup"),
        (_other_stack, "copy of stack 'other'"),
        (lambda m: _archive(m, b"{}"), "no state of Pulumi's"),
        (lambda m: _archive(m, b"[1]"), "no state of Pulumi's"),
        (lambda m: _archive(m, json.dumps(document(URN, version=9)).encode()), "has form 9"),
        (lambda m: _archive(m, json.dumps(document(URN.replace("site", "x"))).encode()), "none of stack 'site'"),
    ],
)
def test_what_is_no_whole_copy_of_this_stack_changes_nothing(machine: Machine, content: Any, words: str) -> None:
    file = machine.project / "given.zip"
    file.write_bytes(content(machine))
    pulumi = Pulumi(machine, document(URN))
    with pytest.raises(UserError, match=words):
        state_backup.put_back(pulumi, file, quiet())  # type: ignore[arg-type]
    assert pulumi.imported is None


def test_where_there_is_no_copy_it_says_so(machine: Machine) -> None:
    with pytest.raises(UserError, match=r"no copy of the state.*\n.*\n.*FILE=path"):
        put_back(machine)
    with pytest.raises(UserError, match=r"there is no backup"):
        put_back(machine, machine.project / "nowhere.zip")
