"""`make bench`: the engines of a running stack side by side; a report, every sample, and a plot in bench/results."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bench import gateway
from bench.deploy import RESULTS, alone, machine, main
from bench.engines_container import Peak, address, memory_mib, start_up
from bench.engines_load import Group, Route, at_once, long_text, story
from bench.engines_report import DIRECT, GATEWAY, Measured, document, markdown, write
from bench.plot import draw
from components.settings import Settings, load, load_overlay
from ops import docker_client
from ops.errors import UserError
from ops.machine import PROJECT, Machine
from ops.pulumi_cli import Pulumi
from ops.secrets import keys
from tools.progress import Display, Step

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

STREAMS = (1, 4, 16)
TOKENS, PROMPT_WORDS = 64, 400
QUICK_STREAMS, QUICK_TOKENS, QUICK_WORDS = (1, 2), 8, 40
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def measure(
    stack: Annotated[str, typer.Option(help="the running stack whose engines are measured")] = "engines",
    rounds: Annotated[int, typer.Option(min=1, help="times each engine is measured, in turns")] = 3,
    quick: Annotated[
        bool, typer.Option(help="see that it works: few tokens, one round; the figures mean little")
    ] = False,
    restart: Annotated[bool, typer.Option(help="measure start-up as well, by restarting each engine")] = True,
    price: Annotated[
        float | None, typer.Option(envvar="PRICE_PER_HOUR", min=0.000001, help="of this machine, in any currency")
    ] = None,
    results: Annotated[Path, typer.Option(help="where the report goes")] = RESULTS,
    project: Annotated[Path, typer.Option(hidden=True)] = PROJECT,
) -> None:
    """Measure every engine of a stack, in turns, through the gateway and directly."""
    console = Console(highlight=False)
    place = Machine(stack, project)
    settings = load(stack, project, load_overlay(place.config_file))
    held = keys.load(Pulumi(place))
    if not held:
        raise UserError(f"stack '{stack}' has not been deployed from here", fix=f"make up STACK={stack}")
    client = docker_client.of(settings)
    bench = Bench(client, stack, settings, keys.current(held), quick=quick)
    with alone(), Display(console) as display:
        with display.step("gateway", "an engine that answers at once") as step:
            added = overhead(client, settings, 1 if quick else 5)
        facts = {**machine(), "tokens": bench.tokens, "rounds": 0}
        for number in range(1, (1 if quick else rounds) + 1):
            for name in bench.measured:
                with display.step(f"round {number}: {name}", "measuring") as step:
                    step.outcome = bench.try_round(name, number, step)
            facts["rounds"] = number
            # What took a quarter of an hour is not lost with what comes after it.
            text = report(bench, facts, added, price, results)
        if restart:
            for name in bench.measured:
                with display.step(f"start-up: {name}", "restarting"):
                    bench.restart(name)
            text = report(bench, facts, added, price, results)
    console.print(text, markup=False, soft_wrap=True)
    console.print(f"report, samples and plot: {results / 'engines.md'}, .json, .svg", markup=False, soft_wrap=True)
    raise typer.Exit(1 if any(result.failures for result in bench.measured.values()) else 0)


def report(bench: Bench, facts: Mapping[str, object], added: float | None, price: float | None, results: Path) -> str:
    """Write what was measured so far; gives the tables. Raises UserError when nothing was."""
    everything = list(bench.measured.values())
    found = [result for result in everything if result.groups]
    if not found:
        reasons = "\n".join(f"  {r.engine}, {why}" for r in everything for why in r.failures)
        raise UserError(f"no engine could be measured:\n{reasons}", fix=f"make smoke STACK={bench.stack}")
    text = markdown(found, bench.streams, facts, added, price, everything)
    write(results, text, document(everything, facts, added, price))
    draw(found, bench.streams, results / "engines.svg")
    return text


class Bench:
    """The engines of a running stack, and what was measured of each so far."""

    def __init__(self, client: DockerClient, stack: str, settings: Settings, key: str, *, quick: bool) -> None:
        self.streams: Sequence[int] = QUICK_STREAMS if quick else STREAMS
        self.tokens, self.words = (QUICK_TOKENS, QUICK_WORDS) if quick else (TOKENS, PROMPT_WORDS)
        self.stack, self.measured = stack, dict[str, Measured]()
        self._containers: dict[str, Container] = {}
        self._routes: dict[str, dict[str, Route]] = {}
        self._numbers: dict[str, itertools.count[int]] = {}
        running = {
            c.labels.get("slm.workload"): c for c in client.containers.list(filters={"label": f"slm.stack={stack}"})
        }
        for name, engine in settings.hosted.items():
            container, (weights, _) = running.get(name), engine.weights_of(settings.model_of(name))
            if container is None:
                raise UserError(
                    f"engine '{name}' does not run", harm="it cannot be measured", fix=f"make up STACK={stack}"
                )
            self._containers[name] = container
            served, chat = engine.served_name, "chat" in settings.model_of(name).capabilities
            self._routes[name] = {
                GATEWAY: Route(settings.gateway.endpoint, key, served, chat),
                DIRECT: Route(address(container, engine.port), "none", served, chat),
            }
            # Each engine gets the same questions in the same order, and none twice.
            self._numbers[name] = itertools.count(1)
            self.measured[name] = Measured(name, engine.kind, engine.model, weights)

    def try_round(self, name: str, number: int, step: Step) -> str:
        """Measure one engine once. A failure is kept with the others' figures; gives it in a few words, or nothing."""
        try:
            self.round(name, step)
        except UserError as error:
            reason = str(error).splitlines()[0]
            self.measured[name].failures.append(f"round {number}: {reason}")
            return f"failed: {reason}"
        return ""

    def round(self, name: str, step: Step) -> None:
        """Measure one engine once at every load, on both ways in turns. Raises UserError, and then keeps nothing."""
        result, routes = self.measured[name], self._routes[name]
        # The first answer after a pause may load the model again.
        at_once(routes[DIRECT], [story(0)], 2)
        result.idle_mib = result.idle_mib or memory_mib(self._containers[name])
        numbers, groups, prompts = self._numbers[name], list[tuple[str, int, Group]](), list[tuple[str, float]]()
        with Peak(self._containers[name]) as peak:
            for streams in self.streams:
                for way, route in routes.items():
                    step.note = f"{streams} streams, {way}"
                    group = at_once(route, [story(next(numbers)) for _ in range(streams)], self.tokens)
                    groups.append((way, streams, group))
            for way, route in routes.items():
                step.note = f"a long prompt, {way}"
                (sample,) = at_once(route, [long_text(next(numbers), self.words)], 1).samples
                prompts.append((way, sample.prompt_tokens / sample.first))
        result.add(groups, prompts, peak.mib)

    def restart(self, name: str) -> None:
        """Measure the time from a container's start to its first answer."""
        container, engine_route = self._containers[name], self._routes[name][GATEWAY]
        try:
            self.measured[name].start_seconds = start_up(container, lambda: at_once(engine_route, [story(0)], 1))
        except UserError as error:
            self.measured[name].failures.append(f"start-up: {str(error).splitlines()[0]}")


def overhead(client: DockerClient, settings: Settings, rounds: int) -> float | None:
    """Milliseconds (p50) that the gateway adds to a request."""
    folder = Path(tempfile.mkdtemp(prefix="slm-bench-"))
    try:
        rows = gateway.measure(client, settings.images["haproxy"], folder / "gateway", rounds=rounds, seconds=0.5)
        return next((row.judged for row in rows if row.metric == "gateway: latency p50"), None)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    os.environ.setdefault("COLUMNS", "160")
    sys.exit(main(app))
