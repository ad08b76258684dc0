"""The policy pack as Pulumi itself starts it: the real engine and provider, which make one network."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from ops import policies
from tools.environment import toolchain_environment

pytestmark = pytest.mark.docker

PROJECT = Path(__file__).resolve().parents[2]
PROGRAM = f"""
import asyncio, json, pathlib, sys
sys.path.append({str(PROJECT)!r})
import pulumi, pulumi_docker as docker
from components.program import end_quietly_when_cancelled
end_quietly_when_cancelled()
pulumi.export("waited", asyncio.sleep(float(pathlib.Path("seconds").read_text())))
provider = pulumi.ResourceOptions(provider=docker.Provider("engine"))
for name, (kind, inputs) in json.loads(pathlib.Path("resources.json").read_text()).items():
    getattr(docker, kind)(name, **inputs, opts=provider)
"""
WEAK = {"image": "sha256:" + "a" * 64, "user": "root", "start": False, "must_run": False, "network_mode": "none"}
Declared = tuple[str, dict[str, Any]]


class Site:
    """A project of one file with its own state; the stack's name decides whose settings the pack reads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "Pulumi.yaml").write_text("name: slm\nruntime: python\n")
        (folder / "__main__.py").write_text(PROGRAM)
        (folder / "state").mkdir()
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")},
            **toolchain_environment(),
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "a test's own",
        }

    def run(self, *arguments: str, **more: str) -> tuple[int, str]:
        """An exit code and what was printed."""
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            timeout=300,
        )
        return done.returncode, done.stdout + done.stderr

    def judged(self, *arguments: str, seconds: float = 0, **resources: Declared) -> tuple[int, str]:
        """The same for a program with these resources that then runs for so many seconds more, under the pack."""
        (self.folder / "resources.json").write_text(json.dumps(resources))
        (self.folder / "seconds").write_text(str(seconds))
        return self.run(*arguments, **policies.variables(self.environment))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(tmp_path_factory.mktemp("policies"))
    for stack in ("dev", "prod"):
        code, output = site.run("stack", "init", stack)
        assert code == 0, output
    return site


def network(**inputs: Any) -> Declared:
    return "Network", {"name": f"slm-test-policies-{uuid4().hex[:8]}-internal", **inputs}


def test_control_70_a_preview_of_production_tells_every_violation_and_fails(site: Site) -> None:
    # So long that Pulumi always finds the program running when the pack ends the preview, and interrupts it.
    code, output = site.judged("preview", "-s", "prod", seconds=10, internal=network(), chat=("Container", WEAK))
    assert code != 0
    assert "[mandatory]" in output
    for number, where in (("04", "Container/chat capabilities"), ("10", "Network/internal internal")):
        assert f"control-{number}" in output, output
        assert where in output, output
    assert "it can do what root can — drops: [ALL]" in output
    assert "Traceback" not in output


def test_control_70_a_preview_of_development_advises_and_goes_on(site: Site) -> None:
    code, output = site.judged("preview", "-s", "dev", internal=network())
    assert code == 0, output
    assert "[advisory]" in output
    assert "Network/internal internal" in output


def test_what_is_there_already_and_does_not_change_is_judged_as_well(site: Site) -> None:
    declared = network()
    made = site.judged("up", "-s", "dev", "--yes", "--skip-preview", internal=declared)
    code, output = site.judged("preview", "-s", "dev", internal=declared)
    down = site.run("destroy", "-s", "dev", "--yes")
    assert made[0] == 0, made[1]
    assert code == 0, output
    assert "unchanged" in output
    assert "Network/internal internal" in output
    assert down[0] == 0, down[1]


def test_control_70_an_update_of_production_makes_nothing_that_breaks_a_control(site: Site) -> None:
    code, output = site.judged("up", "-s", "prod", "--yes", "--skip-preview", internal=network())
    assert code != 0
    assert "Network/internal internal" in output
    _, state = site.run("stack", "export", "-s", "prod")
    made = [one["urn"] for one in json.loads(state)["deployment"].get("resources", ())]
    assert not [urn for urn in made if urn.endswith("::internal")]


def test_control_70_what_meets_the_controls_is_deployed_to_production(site: Site) -> None:
    code, output = site.judged("up", "-s", "prod", "--yes", "--skip-preview", internal=network(internal=True))
    down = site.run("destroy", "-s", "prod", "--yes")
    assert code == 0, output
    assert "✅ slm@v" in output
    assert "[mandatory]" not in output
    assert down[0] == 0, down[1]
