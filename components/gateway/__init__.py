"""The only way in: an HAProxy in front of every engine, as a workload and its configuration (pure, no Pulumi)."""

from components.gateway.keys import key_map
from components.gateway.limits import Limits
from components.gateway.render import render
from components.gateway.route import Route
from components.gateway.settings import Gateway, Tls
from components.gateway.workload import workload

__all__ = ["Gateway", "Limits", "Route", "Tls", "key_map", "render", "workload"]
