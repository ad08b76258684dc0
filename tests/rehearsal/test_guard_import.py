"""What exists already is proposed, reviewed and taken over unchanged: with the real engine and a simulated Azure."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ops.adopt import command as adopt
from rehearsal import plugins
from rehearsal.providers.azure.cloud import Cloud
from tests.rehearsal.small_project import SmallProject
from tools.places import CHECKOUT

pytestmark = [pytest.mark.rehearsal, pytest.mark.timeout(300)]

PROGRAM = """
import json

import pulumi
from pulumi_azure_native import Provider, resources

from components.adopting import Adopting
from components.settings.adoption import Adoption

adopting = Adopting(Adoption.model_validate(one) for one in json.loads(pulumi.Config("slm").get("adopt") or "[]"))
adopting.register()
azure = pulumi.ResourceOptions(provider=Provider("azure", location="westeurope"))
for name in ("plain", "data"):
    resources.ResourceGroup(name, resource_group_name=f"slm-{name}", tags={"a": "b"}, opts=azure)
adopting.require_all_met()
"""


def test_what_is_there_is_taken_over_after_a_review_and_what_differs_is_told(home: Path, tmp_path: Path) -> None:
    azure = tmp_path / "azure"
    azure.mkdir()
    variables = {**plugins.environment(home), "SLM_REHEARSAL_AZURE": str(azure), "PYTHONPATH": str(CHECKOUT)}
    first = SmallProject(tmp_path / "first", PROGRAM, variables)
    first.up()
    there = {one.id.rpartition("/")[2]: one.id for one in Cloud(azure).resources()}
    Cloud(azure).change(there["slm-data"], {"tags": {"a": "by hand"}})

    # Another checkout, whose state knows nothing of them.
    project = SmallProject(tmp_path / "second", PROGRAM, variables)
    plain, data = adopt.propose(project.pulumi, list(there[name] for name in ("slm-plain", "slm-data")))
    assert (plain.entry.resource, plain.problem) == ("plain", "")
    assert data.entry.resource == "data"
    assert "it differs, and Pulumi would then change it" in data.problem
    assert "tags" in data.problem

    reviewed = yaml.safe_load("config:\n" + adopt.written("site", [plain, data]))["config"]["slm:adopt"]
    assert reviewed == [{"resource": "plain", "id": there["slm-plain"]}]
    project.machine.record({"adopt": [*reviewed, {"resource": "data", "id": there["slm-data"], "ignore": ["tags"]}]})
    said = project.up()
    assert "2 imported" in said, said
    assert {one.id: one.outputs["tags"] for one in Cloud(azure).resources()} == {
        there["slm-plain"]: {"a": "b"},
        there["slm-data"]: {"a": "by hand"},
    }
    assert project.changes() == {}
