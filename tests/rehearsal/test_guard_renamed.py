"""A component that got another name keeps its resources where an alias says the old one: with the real engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.rehearsal.small_project import SmallProject

pytestmark = [pytest.mark.rehearsal, pytest.mark.timeout(300)]

PROGRAM = """
import pulumi

class Part(pulumi.ComponentResource):
    def __init__(self, name, aliases=()):
        super().__init__("slm:test:part", name, None, pulumi.ResourceOptions(aliases=list(aliases)))
        pulumi.Stash(f"{name}-volume", input="what people wrote", opts=pulumi.ResourceOptions(parent=self))
        self.register_outputs({})

"""


def made(project: SmallProject) -> dict[str, str]:
    """When each Stash was made, by its name."""
    state = json.loads(project.pulumi.check("stack", "export", "-s", "site"))["deployment"]["resources"]
    return {one["urn"].rpartition("::")[2]: one["created"] for one in state if one["type"] == "pulumi:index:Stash"}


def test_an_alias_keeps_what_a_new_name_alone_would_make_anew(tmp_path: Path) -> None:
    project = SmallProject(tmp_path / "project", PROGRAM + 'Part("data")\n')
    project.up()
    before = made(project)["data-volume"]

    project.program(PROGRAM + 'Part("store")\n')
    assert project.changes() == {
        "store": ["create"],
        "store-volume": ["create"],
        "data": ["delete"],
        "data-volume": ["delete"],
    }
    project.program(PROGRAM + 'Part("store", [pulumi.Alias(name="data")])\n')
    assert project.changes() == {}
    project.up()
    assert made(project) == {"store-volume": before}
    assert project.changes() == {}
