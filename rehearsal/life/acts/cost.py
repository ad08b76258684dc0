"""What a preview costs, and of what."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterable

import yaml

from rehearsal.life.pulumi import RehearsedMachine, RehearsedPulumi
from rehearsal.life.stage import Act, Stage
from tools.places import CHECKOUT, VENV

GOAL = 2.0
"""How many times the empty program's preview and the start of the plugins the whole program's may take."""

ROUNDS = 3
"""Previews of each kind, after one that warms up; their median counts."""

IMPORTS = """
import gc
gc.disable()
import components.program, components.stack, components.targets.aks.target
from pulumi_azure_native import authorization, containerregistry, containerservice, keyvault, managedidentity, network
from pulumi_azure_native import operationalinsights, privatedns, resources
# Each is read when something of it is asked for.
for module in (authorization, containerregistry, containerservice, keyvault, managedidentity, network,
               operationalinsights, privatedns, resources):
    getattr(module, "Provider", None)
"""

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
    measured here, one after the other, each three times."""
    world = stage.world
    stage.tell("previewing an empty program")
    empty = _preview(stage, "empty", EMPTY)
    stage.tell("previewing a program that only starts the plugins")
    started = _preview(stage, "plugins", PLUGINS.format(kubeconfig=str(world.azure / "kubeconfig")))
    runs = [stage.unchanged() for _ in range(ROUNDS + 1)]
    whole = _median(run.seconds for run in runs)
    resources = sum(runs[-1].changes.values())
    imports = _median(_imports() for _ in range(ROUNDS + 1))
    met = "met" if whole <= GOAL * started else "missed"
    stage.fact("an empty program", f"{empty:.1f} s")
    stage.fact("start of both plugins", f"{started - empty:.1f} s more")
    stage.fact("the whole program", f"{whole:.1f} s, {whole / started:.2f} times both; goal of {GOAL:g}: {met}")
    stage.fact("of which Python and its imports", f"{imports:.1f} s")
    each = (whole - started - imports) / resources
    stage.fact("for each resource", f"{1000 * each:.0f} ms, {resources} of them")


def _median(seconds: Iterable[float]) -> float:
    """Of all but the first."""
    return statistics.median(list(seconds)[1:])


def _imports() -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", IMPORTS], cwd=CHECKOUT, check=True)
    return time.monotonic() - began


def _preview(stage: Stage, name: str, program: str) -> float:
    """Seconds of a preview of another program."""
    folder = stage.world.life / name
    (folder / "program").mkdir(parents=True, exist_ok=True)
    runtime = {"name": "python", "options": {"virtualenv": str(VENV)}}
    (folder / "program" / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "slm", "runtime": runtime}))
    (folder / "program" / "__main__.py").write_text(program)
    machine = RehearsedMachine(name, folder / "program", folder=folder)
    pulumi = RehearsedPulumi(machine, stage.world.variables(), lambda _: None)
    pulumi.ensure_stack()
    runs = [pulumi.play("preview") for _ in range(ROUNDS + 1)]
    for run in runs:
        stage.require(run.succeeded, f"the preview of the program '{name}' failed", run.tail())
    return _median(run.seconds for run in runs)


ACTS = (Act("cost", "What a preview costs", cost),)
