"""`make up`, `rotate-key` and `down` of a stack on a cluster: Pulumi does it, without an engine of this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from components import keeping
from components.settings import Settings
from components.targets.aks.teardown import stays
from components.targets.spec import Aks, Docker, Kubernetes
from ops import cluster_pods, monitoring, policies, webui
from ops.deployment import apply
from ops.errors import UserError
from ops.guard import changes, teardown
from ops.machine import Machine
from ops.pulumi_cli import Pulumi
from ops.secrets import given as secret
from ops.secrets import keys, vault
from ops.secrets.vault_store import AzureVault, Store
from ops.state import backup as state_backup

CLOUD_FIRST = ("--exclude", "**kubernetes:**", "--exclude-dependents")
"""Everything but what lies in the cluster: pods wait for secrets, and the vault for them must be there before."""

READ_AGAIN = vault.POLL_SECONDS + 90
"""Seconds until a changed secret is in a running pod: the cluster asks the vault, then the kubelet writes the file."""


def of(settings: Settings) -> Aks | None:
    """The AKS target of a stack, None for one that runs elsewhere."""
    target = settings.targets[settings.gateway.target]
    return target if isinstance(target, Aks) else None


def runs(settings: Settings) -> bool:
    """Whether a stack runs on a cluster."""
    return not isinstance(settings.targets[settings.gateway.target], Docker)


def up(
    machine: Machine,
    settings: Settings,
    console: Console,
    open_vault: Callable[[str], Store] = AzureVault,
    plan: Path | None = None,
) -> None:
    """Deploy the stack. `open_vault` gives the vault of a name. Raises UserError.

    A `plan` that a preview saved is of a stack whose vault is there: it is done in one step.
    """
    require(machine, settings)
    with machine.lock(f"make up STACK={machine.stack}"):
        pulumi = Pulumi(machine)
        pulumi.ensure_stack()
        state_backup.save_before_a_change(pulumi, console)
        in_vault = vault.vault_of(settings)
        if not in_vault:
            secret.require(pulumi, settings, machine.stack)
        keys.ensure(pulumi)
        if settings.webui:
            webui.ensure_secrets(pulumi)
        if settings.monitoring and settings.monitoring.grafana and not settings.monitoring.managed:
            monitoring.ensure_secrets(pulumi)
        allowed = changes.before_up(pulumi, settings, console)
        console.print(f"deploying stack [bold]{machine.stack}[/bold]")
        if in_vault:
            if plan is None:
                apply(pulumi, console, "up", "--skip-preview", *CLOUD_FIRST, *allowed)
            # What somebody put there in another way (a certificate that Key Vault renews itself) counts as well.
            fill(pulumi, settings, open_vault(in_vault), console)
        judged = policies.for_update(settings, {**os.environ, **pulumi.environment()})
        with said_of_pods(settings, console):
            apply(pulumi, console, "up", "--skip-preview", *allowed, plan=plan, extra=judged)
        console.print(pulumi.check("stack", "output", "-s", machine.stack), markup=False, highlight=False)
        monitoring.tell(settings, machine.stack, console)
    console.print(f"  every pod gave a token before it counted as ready; next: make key STACK={machine.stack}")


@contextmanager
def said_of_pods(settings: Settings, console: Console) -> Iterator[None]:
    """When what is inside fails, print what the cluster says of the pods that are not ready."""
    target = settings.targets[settings.gateway.target]
    try:
        yield
    except UserError:
        for sentence in cluster_pods.told(target) if isinstance(target, Kubernetes) else ():
            console.print(f"  {sentence}", style="yellow", markup=False, highlight=False, soft_wrap=True)
        raise


def require(machine: Machine, settings: Settings) -> None:
    """Raise UserError for what would fail half-way, or be regretted: missing images, a careless place for the state."""
    if roles := settings.unprepared():
        raise UserError(
            f"stack '{machine.stack}' has no image for {', '.join(roles)} that a cluster can pull",
            harm="its pods would wait for ever",
            fix=f"push it to the cluster's registry and name it in slm:images of Pulumi.{machine.stack}.yaml, as"
            " REGISTRY/NAME@sha256:… (docs/aks.md)",
        )
    for problem in keeping.problems(settings, machine.stack, machine.project, Pulumi(machine).environment()):
        what, _, fix = problem.partition(" — ")
        raise UserError(f"stack '{machine.stack}' is production: {what}", harm="nothing was deployed", fix=fix)


def fill(pulumi: Pulumi, settings: Settings, store: Store, console: Console) -> None:
    """Bring the vault up to date with what the stack's configuration holds. Raises UserError for what nobody gave."""
    names = vault.wanted(settings, pulumi.machine.stack)
    pages = vault.decoded(pulumi.secret(webui.WEBUI_SECRETS)) if settings.webui else {}
    given = {name: value for name in settings.secret_names() if (value := pulumi.secret(name)) is not None}
    found = {name: vault.content_of(name, keys.load(pulumi), pages, given) for name in names}
    changed = vault.fill(store, {name: content for name, content in found.items() if content is not None})
    console.print(f"  vault: {len(names)} secrets, {len(changed)} of them new")
    if absent := vault.missing(store, names):
        raise UserError(
            f"the vault has no secret {', '.join(absent)}",
            harm="the pods that mount it would not start",
            fix=f"make secret NAME={absent[0]} STACK={pulumi.machine.stack}",
        )


def rotate(
    pulumi: Pulumi,
    settings: Settings,
    old: Mapping[str, str],
    console: Console,
    open_vault: Callable[[str], Store] = AzureVault,
    wait: Callable[[float], object] = time.sleep,
) -> None:
    """Add a key, give every gateway the time to read it, and retire the others. Raises UserError."""
    in_vault = vault.vault_of(settings)
    allowed = () if in_vault else changes.before_up(pulumi, settings, console)
    both = keys.with_another(dict(old))
    newest = list(both)[-1]
    for held, new, said in (
        (both, newest, f"{newest} opens beside {', '.join(old)}"),
        ({newest: both[newest]}, None, f"only {newest} opens"),
    ):
        keys.save(pulumi, held, new=new)
        if in_vault:
            fill(pulumi, settings, open_vault(in_vault), console)
        else:
            apply(pulumi, console, "up", "--skip-preview", *allowed)
        console.print(f"  waiting {READ_AGAIN} s: so long a pod may take to see a changed file")
        wait(READ_AGAIN)
        console.print(f"  {said}; make key STACK={pulumi.machine.stack} shows the newest")
    if settings.monitoring and vault.vault_of(settings):
        console.print(f"  make up STACK={pulumi.machine.stack} tells monitoring of the new key's age")


def down(machine: Machine, settings: Settings, console: Console, typed: Callable[[], str] | None = None) -> None:
    """Take the stack down, production after what ops/guard asks (`typed` reads a line). Raises UserError."""
    stack, target = machine.stack, of(settings)
    with machine.lock(teardown.allow(machine, settings, console, typed)):
        pulumi = Pulumi(machine)
        pulumi.ensure_stack()
        state_backup.save_before_a_change(pulumi, console)
        pulumi.check("state", "unprotect", "--all", "--yes", "-s", stack)
        apply(pulumi, console, "destroy", "--refresh")
    for sentence in stays(target, stack) if target else ():
        console.print(f"  kept: {sentence}", markup=False, highlight=False, soft_wrap=True)
