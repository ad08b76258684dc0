"""Where clients find a stack's gateway."""

from __future__ import annotations

from components.plan import endpoint
from components.settings import Settings
from components.targets.aks.site import site_of as aks_site
from components.targets.kubernetes.described import site_of as cluster_site
from components.targets.kubernetes.names import Names
from components.targets.spec import Aks, Docker


def endpoint_of(settings: Settings, stack: str) -> str:
    """The base URL of the stack's API, as its deployment gives it out."""
    target = settings.targets[settings.gateway.target]
    if isinstance(target, Docker):
        return settings.gateway.endpoint
    site = aks_site(target) if isinstance(target, Aks) else cluster_site(target)
    return endpoint(settings, Names(site, stack))
