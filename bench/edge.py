"""`make bench-edge`: what a fleet costs, on three hosts of this machine behind SSH; prints a table, writes JSON.

Seconds of a preview without changes for one host and for all three, processor seconds of a hundred simulated ones, and
the bytes that pass a host's cable for no change, a changed setting and another engine. Hosts, model and description are
those of the tests in tests/edge.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bench.deploy import RESULTS, alone, machine, main
from bench.edge_upgrade import STACK, another_engine, without_upgrades
from bench.table import Row, interleaved, shown, write
from components.settings import load, load_overlay
from ops.errors import UserError
from ops.fleet.registry_steps import Offer
from ops.machine import PROJECT, Machine
from rehearsal.hosts import Fleet, Host
from tests.edge.fleet_stack import declare, of_host
from tools.places import cache_directory
from tools.progress import Display

if TYPE_CHECKING:
    from tests.docker.project import Project

HOSTS = ("berlin-1", "berlin-2", "oslo-1")
SIMULATED = "tests/program/test_fleet_program.py"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def measure(
    runs: Annotated[int, typer.Option(min=1, help="times each thing is measured")] = 5,
    changes: Annotated[int, typer.Option(min=1, help="times a setting and the engine's image are changed")] = 3,
) -> None:
    """Measure on hosts of this machine."""
    console = Console(highlight=False)
    with (
        alone(),
        Display(console) as display,
        without_upgrades(),
        workplace() as folder,
    ):
        with display.step("simulated", "a hundred hosts under mocks"):
            rows = simulated()
        with (
            display.step("hosts", "three, each with an SSH server and a Docker engine of its own"),
            Fleet(HOSTS) as fleet,
        ):
            project = declare(folder, fleet, STACK)
            with display.step("first deployment", "to all three; not measured"):
                _require(project, "up")
            with display.step("previews", "without changes"):
                rows += previews(project, runs)
            with display.step("bytes", "of no change, a changed setting and another engine"):
                rows += wire(project, fleet[HOSTS[0]], runs, changes)
    console.print(shown(rows))
    write(RESULTS / "edge.json", rows, machine())
    console.print(f"every sample: {(RESULTS / 'edge.json').relative_to(PROJECT)}", markup=False)


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder that is gone afterwards. Its name is no chance: a stack file's path with one is taken for a secret."""
    folder = cache_directory() / "bench-edge"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def previews(project: Project, runs: int) -> list[Row]:
    """`make preview` of a fleet with nothing to do: one host of it, and all."""

    def preview(hosts: str) -> float:
        began = time.perf_counter()
        said = _require(project, "preview", HOSTS=hosts)
        seconds = time.perf_counter() - began
        if said.count("as described") != len(hosts.split(",")):
            raise UserError(f"the preview was not one without changes:\n{said}", harm="its time says nothing")
        return seconds

    preview(",".join(HOSTS))  # The first one writes caches.
    one, three = interleaved(runs, lambda: preview(HOSTS[0]), lambda: preview(",".join(HOSTS)))
    added = [(all_ - single) / (len(HOSTS) - 1) for single, all_ in zip(one, three, strict=True)]
    return [
        row("preview without changes, one host over SSH", "s", one, "the whole command"),
        row("the same, three hosts side by side", "s", three, "reference: one host", reference=one),
        row("each further host adds", "s", added, "on this machine's cores, which the hosts' engines use as well"),
    ]


def wire(project: Project, host: Host, runs: int, changes: int) -> list[Row]:
    """What passes the host's cable, both ways; the reference of an engine's upgrade is all layers of its image."""
    one = of_host(project, host)
    idle, nothing = [], []
    for _ in range(runs):
        idle.append(_passed(host, lambda: _require(one, "preview")))
        nothing.append(_passed(host, lambda: _require(one, "up")))
    setting, engine, whole = [], [], []
    first = load(one.stack, one.folder, load_overlay(Machine(one.stack, one.folder).config_path)).images["ollama"]
    for number in range(changes):
        project.change({"slm:engines": {"chat": {"parallel": 3 + number % 2}}})
        setting.append(_passed(host, lambda: _require(one, "up")))
        image = another_engine(first)
        project.change({"slm:images": {"ollama": image}})
        engine.append(_passed(host, lambda: _require(one, "up")))
        offer = project.folder / f".slm/registry/offers/{image.removeprefix('sha256:')}.json"
        whole.append(Offer.model_validate_json(offer.read_text()).size / 1e6)
    note = "reference: all layers of the image, as a host that has none of them would get it"
    return [
        row("over the wire: preview without changes", "MB", idle, "to and from one host, headers included"),
        row("over the wire: up without changes", "MB", nothing, "with the question that the model answers"),
        row("over the wire: up with a changed setting", "MB", setting, "the engine starts anew with other arguments"),
        row("over the wire: up with another engine's program", "MB", engine, note, reference=whole),
    ]


def simulated() -> list[Row]:
    """A hundred hosts under Pulumi's mocks, as the test of them measures it. Raises UserError."""
    words = [sys.executable, "-m", "pytest", "-q", "-s", "-n0", SIMULATED, "-k", "hundred"]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"the simulated hosts failed:\n{done.stdout[-2000:]}", harm="their cost is not known")
    return told_of_a_hundred(done.stdout)


def told_of_a_hundred(said: str) -> list[Row]:
    """The row of what the test printed. Raises UserError for anything else."""
    found = re.search(r"100 hosts: ([\d.]+) s of processor; a host ([\d.]+) s at first, ([\d.]+) s at last", said)
    if found is None:
        raise UserError(f"the test of a hundred hosts says nothing of its cost:\n{said[-1000:]}", fix="see its print")
    whole, first, last = map(float, found.groups())
    note = f"100 in {whole:.1f} s of processor; medians of the last 20 (ours) and of the first 20 (reference)"
    return [Row("declaring a host, simulated", "s", last, first, note=note, samples={"all": [whole]})]


def row(metric: str, unit: str, values: list[float], note: str, *, reference: list[float] | None = None) -> Row:
    """The median, with the smallest and the largest value beside it."""
    spread = f"{min(values):.3g} to {max(values):.3g} {unit} in {len(values)} runs; {note}"
    samples = {"ours": values, **({"reference": reference} if reference else {})}
    middle = statistics.median(reference) if reference else None
    return Row(metric, unit, statistics.median(values), middle, note=spread, samples=samples)


def _passed(host: Host, work: Callable[[], object]) -> float:
    """Megabytes that pass a host's cable while something is done."""
    before = host.received() + host.sent()
    work()
    return (host.received() + host.sent() - before) / 1e6


def _require(project: Project, command: str, **environment: str) -> str:
    done = project.ops(command, environment=environment, timeout=1200)
    if done.code:
        raise UserError(f"{command} of '{project.stack}' failed:\n{done.output[-2000:]}", harm="nothing is measured")
    return done.output


if __name__ == "__main__":
    os.environ["SLM_TEST_KEEP_STACKS"] = "1"
    sys.exit(main(app))
