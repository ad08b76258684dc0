"""What a preview costs, and of what."""

from __future__ import annotations

import subprocess
import sys
import time

import yaml

from rehearsal.life.pulumi import RehearsedMachine, RehearsedPulumi
from rehearsal.life.stage import Act, Stage
from tools.places import CHECKOUT, VENV

GOAL = 2.0
"""How many times the empty program's preview and the start of the plugins the whole program's may take."""

IMPORTS = "import components.program, components.stack, components.targets.aks.target"

EMPTY = "import pulumi\n"
PLUGINS = """
import pulumi
import pulumi_azure_native as azure_native
import pulumi_kubernetes as kubernetes

azure_native.Provider("azure", location="westeurope")
kubernetes.Provider("cluster", kubeconfig={kubeconfig!r})
"""


def cost(stage: Stage) -> None:
    """The whole program's preview takes no longer than twice an empty program's with the same plugins started. All are
    measured here, one after the other."""
    world = stage.world
    stage.tell("previewing an empty program")
    empty = _preview(stage, "empty", EMPTY)
    stage.tell("previewing a program that only starts the plugins")
    started = _preview(stage, "plugins", PLUGINS.format(kubeconfig=str(world.azure / "kubeconfig")))
    whole = stage.unchanged().seconds
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", IMPORTS], cwd=CHECKOUT, check=True)
    imports = time.monotonic() - began
    met = "met" if whole <= GOAL * started else "missed"
    stage.fact("an empty program", f"{empty:.1f} s")
    stage.fact("start of both plugins", f"{started - empty:.1f} s more")
    stage.fact("the whole program", f"{whole:.1f} s, {whole / started:.2f} times both; goal of {GOAL:g}: {met}")
    stage.fact("of which Python and its imports", f"{imports:.1f} s")


def _preview(stage: Stage, name: str, program: str) -> float:
    """Seconds of a preview of another program, its second, so that everything is warm."""
    folder = stage.world.life / name
    (folder / "program").mkdir(parents=True, exist_ok=True)
    runtime = {"name": "python", "options": {"virtualenv": str(VENV)}}
    (folder / "program" / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "slm", "runtime": runtime}))
    (folder / "program" / "__main__.py").write_text(program)
    machine = RehearsedMachine(name, folder / "program", folder=folder)
    pulumi = RehearsedPulumi(machine, stage.world.variables(), lambda _: None)
    pulumi.ensure_stack()
    seconds = 0.0
    for _ in range(2):
        run = pulumi.play("preview")
        stage.require(run.succeeded, f"the preview of the program '{name}' failed", run.tail())
        seconds = run.seconds
    return seconds


ACTS = (Act("cost", "What a preview costs", cost),)
