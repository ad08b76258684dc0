"""Where clients find a stack's gateway, and how this machine reaches it."""

from __future__ import annotations

import ssl
from ipaddress import ip_address
from typing import TYPE_CHECKING

from components.plan import endpoint
from components.settings import Settings
from components.targets.aks.site import site_of as aks_site
from components.targets.docker.container import Names as HostNames
from components.targets.kubernetes.described import site_of as cluster_site
from components.targets.kubernetes.names import Names
from components.targets.spec import Aks, Docker
from ops import docker_client
from ops.machine import Machine

if TYPE_CHECKING:
    import httpx


def endpoint_of(settings: Settings, stack: str) -> str:
    """The base URL of the stack's API, as its deployment gives it out."""
    target = settings.targets[settings.gateway.target]
    if isinstance(target, Docker):
        return endpoint(settings, HostNames(stack, target.name))
    site = aks_site(target) if isinstance(target, Aks) else cluster_site(target)
    return endpoint(settings, Names(site, stack))


def transport_to(settings: Settings, machine: Machine) -> httpx.HTTPTransport | None:
    """How this machine calls a stack's gateway; None where nothing but its address is needed.

    A gateway on a loopback address of another machine is called through the connection to it. A fleet's own
    certificate authority is trusted beside the public ones. Raises UserError.
    """
    import httpx

    target = docker_client.docker_target(settings)
    authority = machine.authority
    inside = target is not None and target.remote and ip_address(settings.gateway.bind).is_loopback
    if not inside and not authority.exists():
        return None
    trusted = ssl.create_default_context()
    if authority.exists():
        trusted.load_verify_locations(authority)
    way = docker_client.tunnel_to(target, settings).socket(docker_client.GATEWAY) if target and inside else None
    return httpx.HTTPTransport(verify=trusted, uds=str(way) if way else None)
