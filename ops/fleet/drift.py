"""How far hosts are from their description: what a deployment would change on each, and what was changed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from components.settings import SettingsError, load, load_overlay
from ops import docker_client, policies, previewed
from ops.errors import UserError
from ops.fleet.side_by_side import side_by_side
from ops.machine import Machine
from ops.pulumi_cli import Pulumi


@dataclass(frozen=True)
class Drift:
    """One host. `changes` counts Pulumi's steps by kind (create, update, replace, delete); `resources` names them."""

    host: str
    problem: str = ""
    changes: dict[str, int] = field(default_factory=dict)
    resources: tuple[str, ...] = ()
    violations: tuple[str, ...] = ()
    """Controls that would not hold, in words."""
    refused: bool = False
    """Whether they refuse the change."""

    @property
    def state(self) -> str:
        """In one or a few words."""
        if self.problem:
            return self.problem
        return ", ".join(f"{count} to {kind}" for kind, count in self.changes.items()) or "as described"


def look(stack: str, hosts: Sequence[str], project: Path, parallel: int, *, refresh: bool) -> list[Drift]:
    """Ask Pulumi for each host; with `refresh` it looks at the host itself, and sees what was changed by hand."""
    return side_by_side(stack, hosts, project, parallel, partial(look_at, refresh=refresh))


def look_at(machine: Machine, *, refresh: bool) -> Drift:
    """Ask Pulumi for one host."""
    host = machine.stack.partition(".")[2]
    try:
        settings = load(machine.stack, machine.project, load_overlay(machine.config_path))
        if not machine.config_path.exists() or settings.unprepared():
            return Drift(host, "not deployed yet")
        docker_client.of(settings)
    except (SettingsError, UserError) as error:
        return Drift(host, str(error).splitlines()[0])
    more = ("--refresh",) if refresh else ()
    result = Pulumi(machine).run("preview", "-s", machine.stack, "--json", "--suppress-progress", *more)
    found = parse(host, result.output, result.code)
    if found.problem:
        return found
    judged = policies.judged(previewed.parse(result.output), settings)
    said = (*map(str, judged.open), *(f"exception for {one} excuses nothing" for one in judged.unused))
    return replace(found, violations=said, refused=policies.refuses(settings, judged))


def parse(host: str, output: str, code: int) -> Drift:
    """What `pulumi preview --json` said."""
    try:
        found = previewed.parse(output)
    except ValueError:
        return Drift(host, f"not known: {_last(output)}")
    if code != 0:
        told = [one.message for one in found.diagnostics if one.severity == "error"]
        return Drift(host, f"not known: {_last(told[-1]) if told else 'the preview failed'}")
    changes = {kind: count for kind, count in found.change_summary.items() if kind != previewed.SAME and count}
    return Drift(host, changes=changes, resources=tuple(f"{step.op} {step.name}" for step in found.changes))


def table(drifts: Sequence[Drift]) -> Table:
    """A line for each host."""
    shown = Table("host", "state", "what")
    for one in drifts:
        colour = "red" if one.problem else "yellow" if one.changes else "green"
        what = ", ".join(one.resources[:6]) + (" …" if len(one.resources) > 6 else "")
        shown.add_row(one.host, f"[{colour}]{one.state}[/{colour}]", what)
        for said in one.violations:
            shown.add_row("", "[red]refused[/red]" if one.refused else "[yellow]advice[/yellow]", escape(said))
    return shown


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:160] if lines else "Pulumi said nothing"
