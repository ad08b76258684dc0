"""Every object of a stack as plain manifests, in the order they are applied: for checks, and for people (pure).

`components/manifests.py` calls it with the settings of a stack.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
    for workload, around in placed:
        for volume in shared_volumes(workload):
            found += _volume(volume, workload, names, filled)
        found += beginning(workload, around, names)
        found += services(workload, around, names)
        made = controller(workload, around, names)
        found += [made, disruption_budget(workload, names)]
        if scaling := scaler(workload, around, made["kind"], names):
            found.append(scaling)
        if advice := advisor(workload, around, made["kind"], names):
            found.append(advice)
        if around.exposure and (outside := outside_service(workload, around.exposure, names)):
            found.append(outside)
    return found


def beginning(workload: Workload, around: Surroundings, names: Names) -> list[Manifest]:
    """What must be there before its pods: identity, files, secrets (as placeholders), and what it may reach."""
    found = [service_account(workload, names)]
    if files := config_map(workload, names):
        found.append(files)
    if workload.secrets and names.site.vault:
        found.append(vault_class(workload, names, names.site.vault, NOBODY, NOBODY))
    elif workload.secrets:
        found.append(secret(workload, names, {file.name: PLACEHOLDER for file in workload.secrets}))
    return found + policies(workload, around, names)


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
