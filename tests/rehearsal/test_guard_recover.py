"""After a killed run and a change by hand, `make recover` says what is wrong and mends it: with the real engine."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from components.settings import load
from ops.recovery import command as recover
from rehearsal import plugins
from rehearsal.providers.azure.cloud import Cloud
from tests.rehearsal.small_project import SmallProject, said, spoken
from tools.places import CHECKOUT

pytestmark = [pytest.mark.rehearsal, pytest.mark.timeout(300)]

PROGRAM = """
import pulumi
from pulumi_azure_native import Provider, resources

azure = pulumi.ResourceOptions(provider=Provider("azure", location="westeurope"))
for name in ("plain", "data"):
    resources.ResourceGroup(name, resource_group_name=f"slm-{name}", tags={"a": "b"}, opts=azure)
"""


def dead_process() -> int:
    ended = subprocess.Popen(["true"])
    ended.wait()
    return ended.pid


def cut_off(project: SmallProject, doing: str, name: str) -> None:
    """Leave what a killed run leaves: its lock, and a step of unknown outcome."""
    # Pulumi's own import would take such steps out.
    file = project.machine.backend / ".pulumi/stacks/slm/site.json"
    document = json.loads(file.read_text())
    state = document["checkpoint"]["latest"]
    like = next(one for one in state["resources"] if one["urn"].endswith("::plain"))
    resource = {**like, "urn": like["urn"].replace("::plain", f"::{name}")}
    if doing == "creating":
        del resource["id"]
    state["pending_operations"] = [{"type": doing, "resource": resource}]
    file.write_text(json.dumps(document))
    place = project.machine.backend / ".pulumi/locks/organization/slm/site"
    place.mkdir(parents=True, exist_ok=True)
    holder = {"pid": dead_process(), "username": "ada", "hostname": socket.gethostname(), "timestamp": "today"}
    (place / "0d2a.json").write_text(json.dumps(holder))


def test_a_killed_run_and_changes_by_hand_are_told_and_mended(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    azure = tmp_path / "project/azure"
    azure.mkdir(parents=True)
    variables = {**plugins.environment(home), "SLM_REHEARSAL_AZURE": str(azure)}
    project = SmallProject(tmp_path / "project", PROGRAM, variables)
    project.up()
    settings = load("prod", CHECKOUT)
    monkeypatch.setattr(recover, "load", lambda *_: settings)
    monkeypatch.setattr(recover, "Machine", lambda _: project.machine)
    monkeypatch.setattr(recover, "Pulumi", lambda _: project.pulumi)

    def recovered(**how: Any) -> tuple[int, str]:
        console = spoken()
        return recover.run("site", console, **how), said(console)

    assert recovered() == (0, "  stack 'site' is sound: next make preview STACK=site\n")

    cut_off(project, "creating", "unknown")
    groups = {one.id.rpartition("/")[2]: one.id for one in Cloud(azure).resources()}
    Cloud(azure).delete(groups["slm-plain"])
    Cloud(azure).change(groups["slm-data"], {"tags": {"a": "by hand"}})
    code, text = recovered()
    assert code == 1
    assert f"locked by ada on {socket.gethostname()}" in text
    assert "that process is dead" in text
    assert "taking its lock away" in text
    assert "cut off while creating unknown (azure-native:resources:ResourceGroup): it may be there" in text
    assert "changed by hand: data (azure-native:resources:ResourceGroup): tags" in text
    assert "gone: plain (azure-native:resources:ResourceGroup)" in text
    assert "1 steps of unknown outcome: APPLY=1" in text
    assert "1 resources are not found: APPLY=1" in text
    held = project.pulumi.check("stack", "export", "-s", "site")
    assert '"pending_operations"' in held, "without APPLY=1 nothing is forgotten"
    assert "::plain" in held

    code, text = recovered(apply=True)
    assert code == 0, text
    assert "state saved to" in text
    assert "make import STACK=site" in text
    held = project.pulumi.check("stack", "export", "-s", "site")
    assert '"pending_operations"' not in held
    assert "::plain" not in held
    project.up()
    assert recovered()[0] == 0
    assert project.changes() == {}
