"""The nouns of the program: an engine on a target, the gateway in front of all of them, and a chat page for people."""

from __future__ import annotations

import pulumi

from components import plan
from components.engines import External
from components.gateway import Route
from components.monitoring.grafana import NAME as GRAFANA
from components.settings import Settings
from components.targets.placement import Naming, Placement, Secrets, Target


class EngineStack(pulumi.ComponentResource):
    """One engine with its model, running on a target and reachable by the gateway only."""

    def __init__(self, name: str, settings: Settings, target: Target, secrets: Secrets) -> None:
        super().__init__(f"slm:engine:{settings.hosted[name].kind}", name, None, None)
        self.route = plan.route(settings, name, target)
        planned = plan.engine(settings, name)
        self.container = target.run(planned.workload, Placement(self, secrets, planned.around))
        self.register_outputs({"model": self.route.model})


class ExternalStack(pulumi.ComponentResource):
    """An engine that someone else runs: nothing of it is here but the gateway's way to it."""

    def __init__(self, name: str, settings: Settings, naming: Naming) -> None:
        engine = settings.engines[name]
        if not isinstance(engine, External):
            raise ValueError(f"engine {name} is not external")
        super().__init__(f"slm:engine:{engine.kind}", name, None, None)
        self.route = plan.route(settings, name, naming)
        self.register_outputs({"model": self.route.model})


class GatewayStack(pulumi.ComponentResource):
    """The authenticated way in: beside the chat page the only thing a target publishes."""

    def __init__(self, name: str, settings: Settings, routes: list[Route], target: Target, secrets: Secrets) -> None:
        super().__init__(f"slm:gateway:{settings.gateway.kind}", name, None, None)
        planned = plan.gateway(settings, routes, target)
        self.container = target.run(planned.workload, Placement(self, secrets, planned.around))
        self.endpoint = plan.endpoint(settings, target)
        self.address = target.address(planned.workload.name)
        self.register_outputs({"endpoint": self.endpoint})


class WebUiStack(pulumi.ComponentResource):
    """A chat page for people, which asks the gateway as any client does."""

    def __init__(self, name: str, settings: Settings, target: Target, secrets: Secrets) -> None:
        webui = settings.webui
        if webui is None:
            raise ValueError("the stack has no webui")
        super().__init__("slm:webui:openwebui", name, None, None)
        planned = plan.webui(settings)
        self.container = target.run(planned.workload, Placement(self, secrets, planned.around))
        self.endpoint = webui.endpoint
        self.register_outputs({"endpoint": self.endpoint})


class WatchdogStack(pulumi.ComponentResource):
    """What starts a service of a Docker host again that is alive and does nothing."""

    def __init__(self, name: str, planned: plan.Planned, target: Target, secrets: Secrets) -> None:
        super().__init__("slm:watchdog:docker", name, None, None)
        self.container = target.run(planned.workload, Placement(self, secrets, planned.around))
        self.register_outputs({})


class MonitoringStack(pulumi.ComponentResource):
    """What watches the stack: it asks every part for its figures, keeps what containers write, and raises alarms."""

    def __init__(self, name: str, settings: Settings, target: Target, secrets: Secrets) -> None:
        kind = settings.monitoring.kind if settings.monitoring else "none"
        super().__init__(f"slm:monitoring:{kind}", name, None, None)
        services = [planned.workload for planned in plan.services(settings, target)]
        parts = list(plan.monitoring(settings, services, target))
        self.containers = {p.workload.name: target.run(p.workload, Placement(self, secrets, p.around)) for p in parts}
        grafana = settings.monitoring.grafana if settings.monitoring else None
        self.endpoint = grafana.endpoint if grafana and GRAFANA in self.containers else None
        self.register_outputs({"endpoint": self.endpoint})
