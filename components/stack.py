"""The nouns of the program: an engine on a target, and the gateway in front of all of them."""

from __future__ import annotations

import pulumi

from components.gateway import Route
from components.gateway import workload as gateway_workload
from components.routes import route_of
from components.settings import Settings
from components.targets.placement import Exposure, Placement, Secrets, Target


class EngineStack(pulumi.ComponentResource):
    """One engine with its model, running on a target and reachable by the gateway only."""

    def __init__(self, name: str, settings: Settings, target: Target, secrets: Secrets) -> None:
        engine, model = settings.engines[name], settings.model_of(name)
        super().__init__(f"slm:engine:{engine.kind}", name, None, None)
        self.route = route_of(name, engine, model)
        workload = engine.workload(name, model, settings.images, settings.site)
        self.container = target.run(workload, Placement(self, secrets))
        self.register_outputs({"model": self.route.model})


class GatewayStack(pulumi.ComponentResource):
    """The authenticated way in: the only thing a target publishes."""

    def __init__(self, name: str, settings: Settings, routes: list[Route], target: Target, secrets: Secrets) -> None:
        gateway = settings.gateway
        super().__init__(f"slm:gateway:{gateway.kind}", name, None, None)
        workload = gateway_workload(gateway, routes, settings.images["haproxy"], resolver=target.resolver())
        self.container = target.run(workload, Placement(self, secrets, Exposure(gateway.bind, gateway.port)))
        self.endpoint = gateway.endpoint
        self.register_outputs({"endpoint": self.endpoint})
