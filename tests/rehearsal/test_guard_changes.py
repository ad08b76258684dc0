"""What a change would replace is held before anything is changed: the real engine, with resources that cost nothing."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from components.settings import Settings, load
from ops import preview
from ops.errors import UserError
from ops.guard import changes, kinds
from tests.rehearsal.small_project import SmallProject, spoken
from tools.places import CHECKOUT

pytestmark = [pytest.mark.rehearsal, pytest.mark.timeout(300)]

KIND = "pulumi:index:Stash"
PROGRAM = """
import json
from pathlib import Path

import pulumi

for name, value in json.loads(Path("held.json").read_text()).items():
    opts = pulumi.ResourceOptions(protect=name == "vault", replace_on_changes=["*"])
    pulumi.Stash(name, input=value, opts=opts)
"""


def allowing(*names: str) -> Settings:
    expires = str(date.today() + timedelta(days=1))
    entries = [{"resource": name, "reason": "the region is moved", "expires": expires} for name in names]
    return load("prod", CHECKOUT, {"slm:allow_replace": entries} if entries else {})


def test_control_68_a_replacement_and_a_deletion_are_held_until_the_change_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(kinds.PROTECTED, KIND, "what it holds")
    held = tmp_path / "project/held.json"
    held.parent.mkdir()
    held.write_text('{"vault": "1", "registry": "1"}')
    project = SmallProject(held.parent, PROGRAM)
    project.up()

    def there() -> dict[str, Any]:
        state = json.loads(project.pulumi.check("stack", "export", "-s", "site"))["deployment"]["resources"]
        return {one["urn"].rpartition("::")[2]: one["inputs"]["input"] for one in state if one["type"] == KIND}

    held.write_text('{"vault": "2"}')
    with pytest.raises(UserError) as refused:
        changes.before_up(project.pulumi, allowing(), spoken())
    assert f"it replaces vault ({KIND}), because input changes: lost is what it holds" in refused.value.what
    assert "it deletes registry" in refused.value.what
    with pytest.raises(UserError, match="it replaces vault"):
        changes.before_up(project.pulumi, allowing("registry"), spoken())
    with pytest.raises(UserError, match="a protected resource would be replaced or deleted"):
        project.up()
    assert there() == {"vault": "1", "registry": "1"}

    described = [allowing("registry"), allowing("registry", "vault"), allowing("registry", "vault")]
    monkeypatch.setattr(preview, "load", lambda *_: described.pop(0))
    monkeypatch.setattr(preview, "Machine", lambda _: project.machine)
    monkeypatch.setattr(preview, "Pulumi", lambda _: project.pulumi)
    plan = tmp_path / "plan.json"
    with pytest.raises(UserError, match="it replaces vault"):
        preview.run("site", plan=plan)
    assert "vault" in capfd.readouterr().out, "the terminal gets Pulumi's own preview"
    assert not plan.exists(), "what is refused is no plan to be carried out"
    assert preview.run("site", plan=plan) == 0
    assert plan.exists()
    assert "it deletes registry" in capfd.readouterr().out

    monkeypatch.setattr(preview, "_shown", lambda *_: 0)
    with pytest.raises(UserError, match="did not write down what is in it"):
        preview.run("site")

    options = changes.before_up(project.pulumi, allowing("registry", "vault"), spoken())
    assert options == ("--ignore-protect",)
    project.up(*options)
    assert there() == {"vault": "2"}
    with pytest.raises(UserError, match="allows registry, vault to be replaced or deleted"):
        changes.before_up(project.pulumi, allowing("registry", "vault"), spoken())
    assert changes.before_up(project.pulumi, allowing(), spoken()) == ()
