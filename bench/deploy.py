"""`make bench-deploy`: measure deployment, preview, gateway, set-up and the quick tests; print a table, write JSON."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from filelock import FileLock, Timeout
from rich.console import Console

from bench import gateway, set_up
from bench.plain import Plain, differences, facts
from bench.stack import OURS, PLAIN, Bench, empty_program, preview, remove_all
from bench.table import Goal, Row, compared, interleaved, shown, write
from components.settings import SettingsError
from ops import docker_client
from ops.errors import UserError
from ops.machine import PROJECT
from tools.errors import ToolError
from tools.places import cache_directory
from tools.progress import Display, Step

if TYPE_CHECKING:
    from docker import DockerClient

RESULTS = PROJECT / "bench" / "results"
INTERRUPTED = 130


class Part(StrEnum):
    """What can be measured."""

    DEPLOY = "deploy"
    PREVIEW = "preview"
    GATEWAY = "gateway"
    SETUP = "setup"
    TESTS = "tests"


Only = Annotated[list[Part] | None, typer.Option(help="measure only this; may be given several times")]
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def measure(
    stack: Annotated[str, typer.Option(help="the stack whose description is measured")] = "dev",
    runs: Annotated[int, typer.Option(min=1, help="times each side is measured")] = 3,
    only: Only = None,
    cold: Annotated[bool, typer.Option(help="measure a set-up with an empty cache (minutes)")] = False,
) -> None:
    """Measure and compare on this machine."""
    parts, console, rows, problems = set(only or Part), Console(highlight=False), list[Row](), list[str]()
    with alone(), Display(console) as display, workplace() as (client, folder):
        # A person's own state and passphrase have no place in a stack that lives for minutes.
        for name in [name for name in os.environ if name.startswith(("PULUMI_BACKEND", "PULUMI_CONFIG"))]:
            del os.environ[name]
        if parts & {Part.DEPLOY, Part.PREVIEW, Part.GATEWAY}:
            with display.step("a stack to measure", "images and weights"):
                bench = Bench.seeded(folder / "stack", stack, console)
        if parts & {Part.DEPLOY, Part.PREVIEW}:
            with display.step("first deployment", "fetches what is missing; not measured"):
                bench.up()
        measured: dict[Part, Callable[[Step], list[Row]]] = {
            Part.PREVIEW: lambda _: previews(bench, folder, 2 * runs + 1),
            Part.DEPLOY: lambda step: deployments(bench, client, folder, runs, step),
            Part.GATEWAY: lambda _: gateway.measure(
                client, bench.settings.images["haproxy"], folder / "gateway", rounds=max(3, runs)
            ),
            Part.SETUP: lambda _: [set_up.warm(runs), set_up.cold(folder) if cold else set_up.recorded()],
            Part.TESTS: lambda _: [set_up.quick_tests()],
        }
        for part, measurement in measured.items():
            if part in parts:
                # What one measurement lacks does not cost the others their result.
                try:
                    with display.step(part, "measuring") as step:
                        rows += measurement(step)
                except (UserError, ToolError) as error:
                    problems.append(f"{part} was not measured: {error}")
    console.print(shown(rows))
    write(RESULTS / "deploy.json", rows, machine())
    console.print(f"every sample: {(RESULTS / 'deploy.json').relative_to(PROJECT)}", markup=False)
    if problems:
        raise UserError("\n".join(problems))


def deployments(bench: Bench, client: DockerClient, folder: Path, runs: int, step: Step) -> list[Row]:
    """`pulumi up` against the plain script, alternating. Raises UserError when the two did not start the same."""
    plain, trusting = (Plain(bench, folder / f"plain-{jobs}", jobs=jobs) for jobs in (True, False))
    RESULTS.mkdir(parents=True, exist_ok=True)
    shutil.copy(plain.script, RESULTS)
    bench.down()
    seen: dict[str, dict[str, Any]] = {}

    def ours() -> float:
        step.note = "pulumi up"
        seconds = bench.up()
        seen[OURS] = facts(client, OURS)
        bench.down()
        return seconds

    def reference(script: Plain) -> float:
        step.note = "plain docker script"
        seconds = script.up()
        seen[PLAIN] = facts(client, PLAIN)
        script.down()
        return seconds

    up, by_hand, hasty = interleaved(runs, ours, lambda: reference(plain), lambda: reference(trusting))
    if found := differences(seen[OURS], seen[PLAIN]):
        listed = "\n  ".join(found)
        raise UserError(f"the plain script started other containers, so the comparison is void:\n  {listed}")
    same = "images and weights there; reference: the same containers and jobs by `docker` commands"
    less = "reference: as above without the jobs that check and import the weights"
    return [
        compared("up to first token", "s", up, by_hand, Goal("ratio", 1.3), same),
        compared("up to first token, weights trusted", "s", up, hasty, None, less),
    ]


def previews(bench: Bench, folder: Path, runs: int) -> list[Row]:
    """A preview without changes against one of an empty program, alternating."""
    empty = empty_program(folder / "empty")
    preview(empty)  # The first one writes caches.
    bench.preview()
    own, of_nothing = interleaved(runs, bench.preview, lambda: preview(empty))
    note = "reference: an empty program, same command line, Python environment and kind of state"
    return [compared("preview without changes", "s", own, of_nothing, Goal("ratio", 2), note)]


@contextmanager
def alone() -> Iterator[None]:
    """One measurement at a time on a machine. Raises UserError."""
    lock = FileLock(cache_directory() / "bench.lock", timeout=0)
    try:
        with lock:
            yield
    except Timeout:
        raise UserError("another measurement is running on this machine", fix="wait for it to end") from None


@contextmanager
def workplace() -> Iterator[tuple[DockerClient, Path]]:
    """A Docker engine and a folder; whatever is made in either is gone afterwards."""
    client = docker_client.connect()
    folder = Path(tempfile.mkdtemp(prefix="slm-bench-"))
    try:
        remove_all(client)
        yield client, folder
    finally:
        remove_all(client)
        shutil.rmtree(folder, ignore_errors=True)
        client.close()


def machine() -> dict[str, object]:
    """What a reader of the numbers must know about where they come from."""
    return {
        "when": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "cpus": os.cpu_count(),
        "load": os.getloadavg(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def main(run: Callable[..., object] = app) -> int:
    """Run the command line; what a person can mend becomes one screen and exit code 1."""
    try:
        # Typer hands back the exit code of `typer.Exit` and of an interrupt here.
        code = run(standalone_mode=False)
    except (UserError, SettingsError, ToolError) as error:
        print(f"error {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        print(f"error {error.format_message()}; see --help", file=sys.stderr)
        return 2
    if code == INTERRUPTED:
        print("stopped; what was started is removed", file=sys.stderr)
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    sys.exit(main())
