"""The nouns of the program: an engine on a target, the gateway in front of all of them, and a chat page for people."""

from __future__ import annotations

import pulumi

from components.engines import External
from components.gateway import Route, inside_url
from components.gateway import workload as gateway_workload
from components.routes import route_of, route_outside
from components.settings import Settings
from components.targets.placement import Exposure, Placement, Secrets, Target
from components.webui import workload as webui_workload


class EngineStack(pulumi.ComponentResource):
    """One engine with its model, running on a target and reachable by the gateway only."""

    def __init__(self, name: str, settings: Settings, target: Target, secrets: Secrets) -> None:
        engine, model = settings.hosted[name], settings.model_of(name)
        super().__init__(f"slm:engine:{engine.kind}", name, None, None)
        self.route = route_of(name, engine, model)
        self.container = target.run(settings.workload_of(name), Placement(self, secrets))
        self.register_outputs({"model": self.route.model})


class ExternalStack(pulumi.ComponentResource):
    """An engine that someone else runs: nothing of it is here but the gateway's way to it."""

    def __init__(self, name: str, settings: Settings) -> None:
        engine = settings.engines[name]
        if not isinstance(engine, External):
            raise ValueError(f"engine {name} is not external")
        super().__init__(f"slm:engine:{engine.kind}", name, None, None)
        self.route = route_outside(name, engine)
        self.register_outputs({"model": self.route.model})


class GatewayStack(pulumi.ComponentResource):
    """The authenticated way in: beside the chat page the only thing a target publishes."""

    def __init__(self, name: str, settings: Settings, routes: list[Route], target: Target, secrets: Secrets) -> None:
        gateway = settings.gateway
        super().__init__(f"slm:gateway:{gateway.kind}", name, None, None)
        workload = gateway_workload(
            gateway,
            routes,
            settings.images["haproxy"],
            resolver=target.resolver(),
            called_inside=settings.webui is not None,
        )
        self.container = target.run(workload, Placement(self, secrets, Exposure(gateway.bind, gateway.port)))
        self.endpoint = gateway.endpoint
        self.register_outputs({"endpoint": self.endpoint})


class WebUiStack(pulumi.ComponentResource):
    """A chat page for people, which asks the gateway as any client does."""

    def __init__(self, name: str, settings: Settings, target: Target, secrets: Secrets) -> None:
        webui = settings.webui
        if webui is None:
            raise ValueError("the stack has no webui")
        super().__init__("slm:webui:openwebui", name, None, None)
        model = webui.model or settings.chat_models()[0]
        workload = webui_workload(webui, inside_url(settings.gateway), model, settings.images["webui"])
        exposure = Exposure(webui.bind, webui.port)
        self.container = target.run(workload, Placement(self, secrets, exposure, among_engines=False))
        self.endpoint = webui.endpoint
        self.register_outputs({"endpoint": self.endpoint})
