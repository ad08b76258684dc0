"""The policy pack where Pulumi runs: installing what starts it, and the same rules over a preview's own words."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from components.settings import Settings, load, load_overlay
from ops.errors import UserError
from ops.machine import PROJECT, Machine
from ops.previewed import Preview, preview
from ops.pulumi_cli import Pulumi
from policies.evaluate import Judged, judge
from policies.finding import Finding, Resource
from policies.plain import plain

PACK = PROJECT / "policies"
ANALYZER = PACK / "pulumi-analyzer-policy-slm"
VERSION = "1.0.0"
"""Of what starts the pack, which is the same for every pack: the pack itself is always the checkout's."""

PLUGIN = ("analyzer", "policy-slm", VERSION)
VARIABLE = "PULUMI_OPTION_POLICY_PACK"
"""Pulumi reads every option from a variable of this form: `--policy-pack`, for a person's own commands too."""

GONE = ("delete", "delete-replaced", "discard", "discard-replaced", "read-discard")
COLOURS = {"critical": "red", "high": "red", "medium": "yellow", "low": "blue"}


def variables(environment: Mapping[str, str]) -> dict[str, str]:
    """What makes Pulumi judge each preview and update by the pack. `environment` is that of its command.

    Raises UserError where Pulumi cannot be given what starts it.
    """
    install(environment)
    return {VARIABLE: str(PACK)}


def for_update(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """The same for an update: in production each resource is judged before it is made; elsewhere nothing is asked."""
    return variables(environment) if settings.environment == "prod" else {}


def install(environment: Mapping[str, str]) -> None:
    """Give Pulumi's folder of plugins what starts the pack, where it is not there yet. Raises UserError."""
    kind, name, version = PLUGIN
    folder = Path(environment.get("PULUMI_HOME") or Path.home() / ".pulumi") / "plugins"
    there = folder / f"{kind}-{name}-v{version}" / ANALYZER.name
    if there.is_file() and there.read_bytes() == ANALYZER.read_bytes():
        return
    command = ["pulumi", "plugin", "install", kind, name, version, "--file", str(ANALYZER), "--reinstall"]
    if not shutil.which("pulumi", path=environment.get("PATH")):
        raise UserError(
            "there is no pulumi to give the program that starts policies to",
            harm="nothing would judge what is deployed, so nothing was started",
            fix="make setup, then run the command again",
        )
    done = subprocess.run(command, env=dict(environment), capture_output=True, text=True)
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it said nothing"]
        raise UserError(
            f"Pulumi did not take the program that starts policies: {last[0]}",
            harm="nothing would judge what is deployed, so nothing was started",
            fix=f"make sure that {folder} can be written, then run the command again",
        )


def resources(preview: Preview) -> list[Resource]:
    """Every resource that would be there afterwards, as the preview describes it."""
    return list(_resources(preview))


def _resources(preview: Preview) -> Iterator[Resource]:
    seen = set()
    for step in preview.steps:
        state = step.new_state
        if step.op in GONE or state is None or step.urn in seen or step.type.startswith(("pulumi:", "slm:")):
            continue
        # A replaced resource has two steps with the same new state.
        seen.add(step.urn)
        yield Resource(step.type, step.name, plain(state.inputs), step.urn)


def judged(preview: Preview, settings: Settings) -> Judged:
    """The rules over a preview, with the exceptions of the stack's own file."""
    return judge(resources(preview), settings.security.exceptions)


def refuses(settings: Settings, found: Judged) -> bool:
    """Whether a change must not be made: in production any violation and any exception for nothing (control 70)."""
    return settings.environment == "prod" and bool(found.open or found.unused)


def table(found: Sequence[Finding]) -> Table:
    """A line for each finding: which control, how bad, where, what could happen, what to do."""
    shown = Table("control", "severity", "where", "harm", "fix")
    for one in found:
        colour = COLOURS[one.severity]
        where = f"{one.resource} {one.path}"
        shown.add_row(str(one.control), f"[{colour}]{one.severity}[/{colour}]", where, one.harm, one.fix)
    return shown


def tell(found: Judged, console: Console) -> None:
    """Print what was found, or that nothing was."""
    if found.open:
        console.print(table(found.open))
    for one in found.unused:
        console.print(f"slm:security.exceptions: {one} excuses nothing — remove it", style="yellow", markup=False)
    if not found.judged:
        console.print("policies: no resource that any rule is about", style="yellow", highlight=False)
    elif not found.open and not found.unused:
        words = (
            f"policies: {found.judged} resources judged, nothing found, {len(found.excused)} reviewed exceptions used"
        )
        console.print(words, style="green", highlight=False)


def run(stack: str, console: Console, *, as_json: bool = False, ask: Callable[[Pulumi], Preview] = preview) -> int:
    """Judge what `up` would make of a stack, and print a table or JSON. Gives 1 where production refuses it.

    Raises UserError when Pulumi cannot tell.
    """
    machine = Machine(stack)
    settings = load(stack, machine.project, load_overlay(machine.config_path))
    settings.require_deployable(stack)
    pulumi = Pulumi(machine)
    pulumi.ensure_stack()
    found = judged(ask(pulumi), settings)
    if as_json:
        rows = [{**asdict(one), "severity": one.severity} for one in found.open]
        told = {"judged": found.judged, "violations": rows, "unused_exceptions": list(found.unused)}
        print(json.dumps({"stack": stack, "refused": refuses(settings, found), **told}, indent=2))
    else:
        tell(found, console)
    return 1 if refuses(settings, found) or not found.judged else 0
