"""The only way in: an HAProxy in front of every engine, as a workload and its configuration (pure, no Pulumi)."""

from components.gateway.demand import demand_path
from components.gateway.keys import key_map
from components.gateway.limits import Limits
from components.gateway.render import INTERNAL_PORT, NAME, PLAIN_PORT, inside_url, render
from components.gateway.route import Route
from components.gateway.settings import Gateway, Tls
from components.gateway.upstream import Upstream
from components.gateway.workload import workload

__all__ = [
    "INTERNAL_PORT",
    "NAME",
    "PLAIN_PORT",
    "Gateway",
    "Limits",
    "Route",
    "Tls",
    "Upstream",
    "demand_path",
    "inside_url",
    "key_map",
    "render",
    "workload",
]
