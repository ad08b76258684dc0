"""Every object of a stack as plain manifests, in the order they are applied: for checks, and for people (pure).

`components/manifests.py` calls it with the settings of a stack.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from components.targets.kubernetes.agents import as_agent, view_rights
from components.targets.kubernetes.controllers import controller, disruption_budget, job
from components.targets.kubernetes.files import config_map, secret, vault_class
from components.targets.kubernetes.names import Manifest, Names
from components.targets.kubernetes.namespace import base_policies, namespace, priority_classes
from components.targets.kubernetes.network import outside_service, policies, services
from components.targets.kubernetes.scaling import advisor, scaler
from components.targets.kubernetes.security import service_account
from components.targets.kubernetes.site import ClusterSite
from components.targets.kubernetes.storage import claim, shared_volumes
from components.targets.placement import Surroundings
from components.workload import Volume, Workload

PLACEHOLDER = "cGxhY2Vob2xkZXI="
"""`placeholder` in base64: rendered manifests hold no secret."""

NOBODY = "00000000-0000-0000-0000-000000000000"
"""Instead of ids of Azure that exist only after a deployment."""


def manifests(placed: Sequence[tuple[Workload, Surroundings]], site: ClusterSite, stack: str) -> list[Manifest]:
    """All objects of a stack; contents of secrets and ids of identities are placeholders.

    Raises UnsupportedError for what this cluster cannot do.
    """
    names = Names(site, stack)
    found = [namespace(names), *priority_classes(names), *base_policies(names)]
    filled: set[str] = set()
    if any(around.is_agent for _, around in placed):
        found += [namespace(names.of(agent=True)), *base_policies(names.of(agent=True))]
    for described, around in placed:
        home, workload = names.of(agent=around.is_agent), as_agent(described, around.view)
        for volume in shared_volumes(workload):
            found += _volume(volume, workload, home, filled)
        found += beginning(workload, around, home)
        found += services(workload, around, home)
        made = controller(workload, around, home)
        found += [made, *followers(workload, around, made["kind"], home)]
        if around.exposure and (outside := outside_service(workload, around.exposure, home)):
            found.append(outside)
    return found


def followers(workload: Workload, around: Surroundings, kind: str, names: Names) -> list[Manifest]:
    """What looks after its pods: who may take one away, and what measures them."""
    found = [] if around.on_each else [disruption_budget(workload, names)]
    return found + [
        made
        for made in (scaler(workload, around, kind, names), advisor(workload, around, kind, names))
        if made is not None
    ]


def beginning(workload: Workload, around: Surroundings, names: Names) -> list[Manifest]:
    """What must be there before its pods: identity, files, secrets (as placeholders), and what it may reach."""
    found = [service_account(workload, names)]
    if files := config_map(workload, names):
        found.append(files)
    if workload.secrets and names.site.vault:
        found.append(vault_class(workload, names, names.site.vault, NOBODY, NOBODY))
    elif workload.secrets:
        found.append(secret(workload, names, {file.name: PLACEHOLDER for file in workload.secrets}))
    return found + view_rights(workload, around.view, names) + policies(workload, around, names)


def _volume(volume: Volume, owner: Workload, names: Names, filled: set[str]) -> Iterator[Manifest]:
    if volume.name in filled:
        return
    filled.add(volume.name)
    for other in (v for filling in volume.fill for v in shared_volumes(filling) if v.name != volume.name):
        yield from _volume(other, owner, names, filled)
    yield claim(volume, names)
    for filling in volume.fill:
        yield from beginning(filling, Surroundings(), names)
        yield job(filling, owner, volume, names)
