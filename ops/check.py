"""`make check`: what a stack's description means and whether it may be deployed, without Docker, cloud or secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from components import keeping
from components.catalog import catalog
from components.engines import External, HostedEngine
from components.models import OllamaSource, Weights
from components.monitoring.settings import Monitoring
from components.plan import monitoring_mib
from components.settings import Settings, SettingsError, load, load_overlay
from components.sizing import cautions
from components.targets.aks.backend import backend_problem, secrets_provider_problem
from components.targets.spec import Docker
from ops.cost_table import cost_tables
from ops.machine import PROJECT, STATE_DIRECTORY
from ops.place import endpoint_of
from ops.sizing_table import resource_table


def run(stack: str = "dev", project_dir: Path = PROJECT, console: Console | None = None) -> int:
    """Print the resolved settings of a stack and the verdict. Gives the exit code: 0 when it may be deployed."""
    console = console or Console(width=None if Console().is_terminal else 120)
    try:
        settings = read(stack, project_dir)
    except SettingsError as error:
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    console.print(_engines(settings))
    console.print(resource_table(settings))
    for part in cost_tables(settings):
        console.print(part, markup=False, highlight=False)
    console.print(_images(settings))
    console.print(_gateway_line(settings, stack), markup=False, highlight=False, soft_wrap=True)
    if page := settings.webui:
        line = f"web page: {page.endpoint}, {page.memory_mib} MiB; asks {page.model or settings.chat_models()[0]} first"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if own := settings.monitoring:
        console.print(_monitoring_line(settings, own), markup=False, highlight=False, soft_wrap=True)
    kept_weakly = weak_keeping(settings, stack, project_dir)
    refusals = [*settings.refusals(stack), *kept_weakly, *port_clashes(settings, stack, project_dir)]
    for reason in refusals:
        console.print(f"not deployable: {reason}", style="red", markup=False, highlight=False, soft_wrap=True)
    if refusals:
        return 1
    for caution in cautions(settings):
        console.print(f"sizing: {caution}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    for reason in settings.unpinned():
        fix = f"allowed in dev; make pin STACK={stack}"
        console.print(f"not pinned: {reason} — {fix}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    if keeping.matters(settings) and (problem := backend_problem(os.environ.get("PULUMI_BACKEND_URL"))):
        console.print(f"before up: {problem}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    console.print(f"deployable: make up STACK={stack}", style="green", highlight=False)
    return 0


def read(stack: str, project_dir: Path = PROJECT) -> Settings:
    """The settings of a stack with this machine's recorded choices. Raises SettingsError."""
    overlay = load_overlay(project_dir / STATE_DIRECTORY / stack / f"Pulumi.{stack}.yaml")
    return load(stack, project_dir, overlay)


def weak_keeping(settings: Settings, stack: str, project_dir: Path = PROJECT) -> Iterator[str]:
    """Why a production stack on Azure must not keep its secrets as its file says, if it must not (control 63)."""
    if keeping.matters(settings) and (
        problem := secrets_provider_problem(keeping.secrets_provider(stack, project_dir, {}))
    ):
        yield problem


def port_clashes(settings: Settings, stack: str, project_dir: Path = PROJECT) -> list[str]:
    """Other stacks of the project that publish the same port of the same host, one sentence each."""
    mine = _published(settings)
    clashes = []
    for path in sorted(project_dir.glob("Pulumi.?*.yaml")) if mine else []:
        other = path.name.split(".")[1]
        if other == stack.partition(".")[0] or not re.fullmatch(r"[A-Za-z0-9_-]+", other):
            continue
        try:
            their = read(other, project_dir)
        except SettingsError:
            continue  # its own check says what is wrong with it
        if their.fleet or _where(their) != _where(settings):
            continue
        for part, port, bind in mine:
            for their_part, their_port, their_bind in _published(their):
                if port == their_port and _overlap(bind, their_bind):
                    used = f"{port} used by the {part} of stack '{stack}' and the {their_part} of stack '{other}'"
                    fix = f"only one of them can run — set slm:{part}.port in one of the two files"
                    clashes.append(f"{used} on {_where(settings)}: {fix}")
    return clashes


def _published(settings: Settings) -> list[tuple[str, int, str]]:
    """What a stack publishes on a Docker host: which part, its port and address."""
    if not isinstance(settings.targets[settings.gateway.target], Docker):
        return []
    parts = [("gateway", settings.gateway.port, settings.gateway.bind)]
    parts += [("webui", settings.webui.port, settings.webui.bind)] if settings.webui else []
    pages = settings.monitoring.grafana if settings.monitoring else None
    return parts + ([("monitoring.grafana", pages.port, pages.bind)] if pages else [])


def _where(settings: Settings) -> str:
    return settings.targets[settings.gateway.target].where


def _overlap(one: str, other: str) -> bool:
    return one == other or ip_address(one).is_unspecified or ip_address(other).is_unspecified


def _engines(settings: Settings) -> Table:
    table = Table("", *(Column(f"engine {name}", overflow="fold") for name in settings.engines))
    columns = [
        _outside(settings, engine) if isinstance(engine, External) else _facts(settings, name, engine)
        for name, engine in settings.engines.items()
    ]
    for fact in dict.fromkeys(fact for column in columns for fact in column):
        table.add_row(fact, *(column.get(fact, "") for column in columns))
    return table


def _outside(settings: Settings, engine: External) -> dict[str, str]:
    key = f"secret {engine.key_secret}" if engine.key_secret else "none"
    return {
        "kind": f"{engine.kind}: someone else runs it",
        "model": engine.model,
        "target": f"{engine.target}: {settings.targets[engine.target].where}",
        "requests": f"{engine.concurrency} at once",
        "address": f"{engine.url}, its key: {key}",
    }


def _facts(settings: Settings, name: str, engine: HostedEngine) -> dict[str, str]:
    model = settings.model_of(name)
    key, weights = engine.weights_of(model)
    return {
        "kind": engine.kind,
        "model": f"{model.name} ({model.license})",
        "size": f"{weights.size_bytes / 1e9:.2f} GB",
        "sources": ", then ".join(_source(model.origin_of(key))),
        "weights": f"{key}, pin {model.pin(key)[:12]}…" if not model.unpinned_reasons([key]) else f"{key}, not pinned",
        "target": f"{engine.target}: {settings.targets[engine.target].where}",
        "memory": f"{engine.memory_mib(model) / 1024:.1f} GiB",
        "cpus, gpus": f"{engine.cpus:g}, {engine.gpus}",
        "requests": f"{engine.concurrency} at once, {engine.context_length} tokens each",
        "port": f"{engine.port}, inside the stack only",
    }


def _source(weights: Weights) -> list[str]:
    return [f"{s.kind} {s.name}:{s.tag}" if isinstance(s, OllamaSource) else s.kind for s in weights.sources]


def _images(settings: Settings) -> Table:
    table = Table("role", "image", "state", title="images")
    optional = settings.optional_roles()
    for role in [*settings.roles(), *optional]:
        row, image = catalog().images[role], settings.images.get(role)
        if image is None:
            known = f"{row.repository}:{row.tag}" if row.published else f"images/{row.build}"
            state = "no digest known" if row.published else "built on this machine by make up"
        elif image.startswith("sha256:"):
            known, state = image[:19], "built on this machine"
        else:
            name, _, digest = image.partition("@")
            known, state = f"{name}@{digest[:19]}", "pinned in the catalogue" if image == row.pinned else "pinned"
        if role in optional:
            state = "left out here: no registry serves it" if role in settings.left_out else f"{state}; optional"
        table.add_row(role, known, state)
    return table


def _gateway_line(settings: Settings, stack: str) -> str:
    where = settings.targets[settings.gateway.target].where
    return f"gateway: {endpoint_of(settings, stack)} on {where}; environment: {settings.environment}"


def _monitoring_line(settings: Settings, own: Monitoring) -> str:
    if own.managed:
        return f"monitoring: by Azure; alerts go to {', '.join(own.emails) or 'nobody'}"
    kept, to = own.retention, ", ".join(own.receivers) or "nobody"
    figures = f"{kept.metrics_days} d, {kept.metrics_gib:g} GiB of figures"
    limits = f"{figures} and {kept.logs_days} d, {kept.logs_gib:g} GiB of logs"
    beyond = f"; figures go to {own.forward.host} as well" if own.forward else ""
    return f"monitoring: {monitoring_mib(settings)} MiB on {own.target}; keeps {limits}; alerts go to {to}{beyond}"
