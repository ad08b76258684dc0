"""Pages for people on the hosts of a fleet: each host has its own, at its own address (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any

from components.settings.fleet import Fleet, FleetHost
from components.settings.problems import Problem, path_of
from components.webui import WebUi

EVERYWHERE = ("0.0.0.0", "::")


def with_page(described: Mapping[str, Any], host: FleetHost) -> dict[str, Any]:
    """The description of one host's stack with the address of its chat page in it.

    Without `bind` the page is published where the gateway is, under the gateway's certificate, and people type that
    address. With a loopback `bind` it stays on the host, whose people reach it through SSH.
    """
    page = described.get("webui")
    if not isinstance(page, Mapping):
        return dict(described)
    own = dict(page)
    bind = str(own.setdefault("bind", host.published_on))
    if not _loopback(bind):
        tls = (described.get("gateway") or {}).get("tls")
        if tls is not None:
            own.setdefault("tls", tls)
        port = own.get("port", WebUi.model_fields["port"].default)
        own.setdefault("url", f"https://{host.address.lower() if bind in EVERYWHERE else bind}:{port}")
    return {**described, "webui": own}


def problems(described: Mapping[str, Any], fleet: Fleet) -> Iterator[Problem]:
    """What is said once and would be true of one host only."""
    if len(fleet.hosts) == 1:
        return
    monitoring = described.get("monitoring")
    pages = (
        (("webui",), described.get("webui")),
        (
            ("monitoring", "grafana"),
            monitoring.get("grafana") if isinstance(monitoring, Mapping) else None,
        ),
    )
    for path, page in pages:
        if not isinstance(page, Mapping):
            continue
        for field in ("url", "bind"):
            value = page.get(field)
            if not isinstance(value, str) or (field == "bind" and (value in EVERYWHERE or _loopback(value))):
                continue
            what = f"{value} is an address of one machine, and this is said of {len(fleet.hosts)} hosts"
            fix = "remove it; each host's page is published at that host's own address"
            if path != ("webui",):
                fix = "remove it; Grafana stays on each host's loopback, and make up says how it is reached"
            yield Problem(path_of((*path, field)), what, fix)


def _loopback(bind: str) -> bool:
    try:
        return ip_address(bind).is_loopback
    except ValueError:
        return False  # The page's own rules say what is wrong with it.
