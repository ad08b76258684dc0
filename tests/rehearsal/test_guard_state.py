"""A state that is lost comes back from its copy, and Pulumi then has nothing to do: with the real engine."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ops.errors import UserError
from ops.state import backup as state_backup
from tests.rehearsal.small_project import SmallProject, said, spoken

pytestmark = [pytest.mark.rehearsal, pytest.mark.timeout(300)]

PROGRAM = """
import pulumi

class Part(pulumi.ComponentResource):
    def __init__(self, name):
        super().__init__("slm:test:part", name)
        own = pulumi.ResourceOptions(parent=self)
        self.kept = pulumi.Stash(f"{name}-stash", input=pulumi.Output.secret("correct-horse-battery"), opts=own)
        self.register_outputs({})

pulumi.export("held", Part("part").kept.output)
"""


def test_a_lost_state_is_restored_and_the_preview_has_no_changes(tmp_path: Path) -> None:
    project = SmallProject(tmp_path / "project", PROGRAM)
    project.pulumi.set_secret("apiKeys", "slm-key")
    assert state_backup.save(project.pulumi) is None, "nothing was deployed yet"
    project.up()
    console = spoken()
    state_backup.save_before_a_change(project.pulumi, console)
    (copy,) = state_backup.copies(project.machine)
    assert copy.name in said(console)
    for secret in (b"correct-horse-battery", b"slm-key"):
        assert secret not in b"".join(state_backup.read(copy, "site")[1:]), "secrets stay encrypted"

    shutil.rmtree(project.folder / ".slm/state")
    with pytest.raises(UserError, match=r"keys of a stack whose state is gone.*\n.*\n.*make state-restore STACK=site"):
        project.pulumi.ensure_stack()
    state_backup.put_back(project.pulumi, None, console)
    assert "3 resources" in said(console)
    assert project.changes() == {}
    assert project.pulumi.secret("apiKeys") == "slm-key"
    held = project.pulumi.check("stack", "output", "held", "--show-secrets", "-s", "site")
    assert "correct-horse-battery" in held

    # The machine's whole part of the stack is lost, all but its passphrase.
    passphrase = project.machine.passphrase_file.read_text()
    for place in ("state", "site"):
        shutil.rmtree(project.folder / ".slm" / place)
    (project.folder / ".slm/site").mkdir()
    (project.folder / ".slm/site/passphrase").write_text(passphrase)
    state_backup.put_back(project.pulumi, None, console)
    assert project.changes() == {}
    assert project.pulumi.secret("apiKeys") == "slm-key"
