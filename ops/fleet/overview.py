"""`make check STACK=edge`: every host as the fleet's file describes it, and whether it may be deployed to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from components.settings import Fleet, Settings, SettingsError, load, load_overlay
from components.sizing import cautions
from ops.fleet.choose import waves
from ops.machine import Machine
from ops.place import endpoint_of


def show(stack: str, fleet: Fleet, hosts: Sequence[str], project: Path, console: Console) -> int:
    """Print the hosts and the verdict; gives the exit code: 0 when all may be deployed to."""
    found = Table("host", "labels", "SSH", "model", "memory", Column("gateway", overflow="fold"), "verdict")
    wrong, careful = list[str](), list[str]()
    for host in hosts:
        own = fleet.host(host)
        labels = ", ".join(f"{key}={value}" for key, value in own.labels.items())
        try:
            settings = _settings(f"{stack}.{host}", project)
        except SettingsError as error:
            wrong += [f"{host}: {problem}" for problem in error.problems]
            found.add_row(host, labels, own.ssh, "", "", "", "[red]refused[/red]")
            continue
        refusals = settings.refusals(f"{stack}.{host}")
        wrong += [f"{host}: {reason}" for reason in refusals]
        careful += [f"{host}: {caution}" for caution in cautions(settings)]
        models = ", ".join(settings.model_of(name).name for name in settings.hosted)
        least = sum(engine.memory_mib(settings.model_of(name)) for name, engine in settings.hosted.items()) / 1024
        verdict = "[red]refused[/red]" if refusals else "[green]deployable[/green]"
        reached = endpoint_of(settings, stack) + (f"\npage: {settings.webui.endpoint}" if settings.webui else "")
        found.add_row(host, labels, own.ssh, models, f"{least:.1f} GiB", reached, verdict)
    console.print(found)
    order = "; then ".join(", ".join(wave) for wave in waves(hosts, fleet.rollout))
    console.print(f"waves: {order}; {fleet.rollout.parallel} hosts at a time", highlight=False, soft_wrap=True)
    if share := fleet.share:
        console.print(f"weights go once to a site (label {share.label}): {sites(fleet, hosts)}", highlight=False)
    for reason in wrong:
        console.print(f"not deployable: {reason}", style="red", markup=False, highlight=False, soft_wrap=True)
    if wrong:
        return 1
    for caution in careful:
        console.print(f"sizing: {caution}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    console.print(f"deployable: make up STACK={stack}", style="green", highlight=False)
    console.print(f"more of one host: make check STACK={stack}.{hosts[0]}", highlight=False)
    return 0


def sites(fleet: Fleet, hosts: Sequence[str]) -> str:
    """The sites of a fleet that shares weights, and the hosts that are in none."""
    found: dict[str, list[str]] = {}
    for host in hosts:
        found.setdefault(fleet.site_of(host) or "", []).append(host)
    alone = found.pop("", [])
    told = [f"{site} has {len(there)} host{'s' * (len(there) > 1)}" for site, there in found.items()]
    return "; ".join([*told, *([f"without the label: {', '.join(alone)}"] if alone else [])])


def _settings(stack: str, project: Path) -> Settings:
    machine = Machine(stack, project)
    return load(stack, project, load_overlay(machine.config_path))
