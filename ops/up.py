"""`make up`: from a description to a model that has answered."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from components.settings import Settings, load, load_overlay
from components.targets.docker.container import Names
from ops import cluster, docker_client, monitoring, recovery, webui
from ops.deployment import apply
from ops.fleet import certificates, kept
from ops.guard import changes
from ops.hosts import preflight
from ops.hosts import remote as remote_host
from ops.images import delivery
from ops.images.resolve import resolve_all
from ops.local_weights import bring
from ops.machine import Machine
from ops.pulumi_cli import Pulumi
from ops.secrets import given as secret
from ops.secrets import keys
from ops.site import discover
from ops.smoke_test import first_answer, hardened
from ops.state import backup as state_backup

if TYPE_CHECKING:
    from docker import DockerClient


def run(stack: str, model: str | None, console: Console, plan: Path | None = None) -> None:
    """Deploy the stack, by `plan` where a preview saved one, and ask it a question.

    Raises UserError, or components.settings.SettingsError.
    """
    started = time.monotonic()
    machine = Machine(stack)
    # Before anything is made for it: a stack that must not be deployed leaves nothing behind.
    settings = load(stack, machine.project, load_overlay(machine.config_path))
    settings.require_deployable(stack)
    if cluster.runs(settings):
        settings = choose_model(machine, model)
        settings.require_deployable(stack)
        cluster.up(machine, settings, console, plan=plan)
        return
    with machine.lock(f"make up STACK={stack}"):
        settings = choose_model(machine, model)
        settings.require_deployable(stack)
        client = docker_client.of(settings)
        check_host(client, machine, settings)
        pulumi = Pulumi(machine)
        pulumi.ensure_stack()
        state_backup.save_before_a_change(pulumi, console)
        certificates.ensure(pulumi, settings, console)
        secret.require(pulumi, settings, stack)
        key = keys.current(keys.ensure(pulumi))
        if settings.webui:
            webui.ensure_secrets(pulumi)
        if settings.monitoring and settings.monitoring.grafana:
            monitoring.ensure_secrets(pulumi)
        with recovery.swept(client, stack):
            known = recovery.recover(pulumi, client, console)
            settings = prepare(client, machine, settings, console)
            bring(client, stack, settings, console)
            allowed = changes.before_up(pulumi, settings, console)
            console.print(f"deploying stack [bold]{stack}[/bold]")
            options = recovery.repair(client, stack, known, console)
            stopping = partial(recovery.stop_waiting, client, stack)
            watch = apply(pulumi, console, "up", "--skip-preview", *options, *allowed, on_interrupt=stopping, plan=plan)
        if watch.served:
            machine.record({"served": {**settings.served, **sources_by_model(settings, watch.served)}})
            settings = load(stack, machine.project, load_overlay(machine.config_file))
        hardened(client, machine.stack)
        console.print(f"  every container holds its security controls; {time.monotonic() - started:.0f} s so far")
        first_answer(settings, machine.stack, key, console)
        kept.keep(machine, settings)
        webui.tell(settings, stack, console)
        monitoring.tell(settings, stack, console)


def choose_model(machine: Machine, model: str | None) -> Settings:
    """The settings with the model chosen on this machine, which is recorded; `default` forgets an earlier choice."""
    overlay = load_overlay(machine.config_file)
    if model == "default":
        machine.record({"model": None})
    elif model:
        # Validated before it is recorded: a wrong name must not stay behind.
        load(machine.stack, machine.project, {**overlay, "slm:model": model})
        machine.record({"model": model})
    return load(machine.stack, machine.project, load_overlay(machine.config_file))


def sources_by_model(settings: Settings, served: dict[str, str]) -> dict[str, str]:
    """Which source each model came from, out of which source each fetch job (`<engine>-fetch`) named."""
    models: dict[str, str] = {}
    for name in settings.hosted:
        for volume in settings.workload_of(name).filled_volumes:
            # A conversion names what it converted from, which is no source.
            models |= {job.name: settings.model_of(name).name for job in volume.fill if job.egress}
    return {models[job]: source for job, source in served.items() if job in models}


def check_host(client: DockerClient, machine: Machine, settings: Settings) -> None:
    """Raise UserError for anything about this host that would make the deployment fail half-way."""
    if (target := docker_client.docker_target(settings)) and target.remote:
        remote_host.require(client, target, machine, settings)
        return
    info = client.info()
    present = {volume.name for volume in client.volumes.list()}
    names = Names(machine.stack)
    missing = [v for v in settings.volumes() if v.fill and names.volume(v.name) not in present]
    preflight.disk_suffices(Path(info["DockerRootDir"]), int(sum(v.size_gib for v in missing) * 2**30))
    preflight.memory_suffices(preflight.memory_limits(settings), int(info["MemTotal"]))
    preflight.cpus_suffice(preflight.cpu_limits(settings), int(info["NCPU"]))
    preflight.port_is_free(client, machine.stack, settings.gateway.bind, settings.gateway.port)
    if page := settings.webui:
        preflight.port_is_free(client, machine.stack, page.bind, page.port, "webui")
    if settings.monitoring and (pages := settings.monitoring.grafana):
        preflight.port_is_free(client, machine.stack, pages.bind, pages.port, "monitoring.grafana")


def prepare(client: DockerClient, machine: Machine, settings: Settings, console: Console) -> Settings:
    """Make sure the Docker engine has every image, and record on this machine which ones and what the site needs."""
    site = discover()
    if (target := docker_client.docker_target(settings)) and target.remote:
        chosen = delivery.bring_all(client, target, settings, console)
    else:
        chosen = resolve_all(client, settings, console)
    left_out = [role for role in settings.optional_roles() if role not in chosen]
    found = {"images": chosen, "left_out": left_out or None, "site": site.model_dump(exclude_defaults=True) or None}
    machine.record(found)
    return load(machine.stack, machine.project, load_overlay(machine.config_file))
