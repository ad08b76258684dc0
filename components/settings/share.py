"""Hosts of a fleet that share what they fetch: whose neighbours they are, and by which port (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING

from pydantic import Field

from components.settings.problems import Problem, path_of, unknown
from components.workload import Name, Value

if TYPE_CHECKING:
    from components.settings.model import Settings


class Share(Value):
    """Weights go once to a site: one host of it fetches them, the others get them from that one.

    Hosts with the same value of the label `label` are one site. `port` is where a host serves its weights to its
    neighbours, for as long as a rollout needs it.
    """

    label: Name
    port: int = Field(8444, ge=1024, le=65535)


def shared_on(published_on: str, address: str) -> str | None:
    """The address at which neighbours reach a host: the gateway's, or the one of SSH where that is none of its own.

    None when no address of the host is known that others reach.
    """
    for candidate in (published_on, address):
        try:
            found = ip_address(candidate)
        except ValueError:
            continue
        if not found.is_loopback and not found.is_unspecified:
            return str(found)
    return None


def unknown_label(share: Share, labels: Mapping[str, Mapping[str, str]]) -> Iterator[Problem]:
    """What is wrong with the label; `labels` are those of the hosts."""
    known = {label for own in labels.values() for label in own}
    if share.label not in known:
        what, fix = unknown("label", share.label, known)
        yield Problem(path_of(("fleet", "share", "label")), f"{what}: no host would have a neighbour", fix)


def taken_port(share: Share, settings: Settings) -> Iterator[Problem]:
    """Which part of a host's stack is published on the port already."""
    pages = settings.monitoring.grafana if settings.monitoring else None
    for part, own in (("gateway", settings.gateway), ("webui", settings.webui), ("monitoring.grafana", pages)):
        if own and own.port == share.port:
            here = path_of(("fleet", "share", "port"))
            yield Problem(here, f"{share.port} is the port of {part} already", "choose another port")
