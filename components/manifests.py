"""A stack on a Kubernetes cluster as plain manifests, without Pulumi: for checks, and for people to read (pure)."""

from __future__ import annotations

from components.plan import plan
from components.settings import Settings
from components.targets.kubernetes.names import Manifest, Names
from components.targets.kubernetes.render import manifests as rendered
from components.targets.kubernetes.site import ClusterSite


def manifests(settings: Settings, site: ClusterSite, stack: str) -> list[Manifest]:
    """Every object of the stack in the order it is applied, on the cluster `site`, which all its workloads run on.

    Contents of secrets and ids of identities are placeholders. Raises UnsupportedError for what the cluster cannot
    do, and KeyError for an image that is not known yet.
    """
    names = Names(site, stack)
    placed = [(planned.workload, planned.around) for planned in plan(settings, dict.fromkeys(settings.targets, names))]
    return rendered(placed, site, stack)
