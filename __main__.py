"""Put each engine of this stack on its target, and the gateway in front of them."""

import pulumi

from components.program import connect, read_settings
from components.secrets import ConfigSecrets
from components.stack import EngineStack, ExternalStack, GatewayStack, WebUiStack

settings = read_settings()
secrets = ConfigSecrets(pulumi.Config("slm"), webui=settings.webui is not None)
targets = connect(settings)
engines = [
    EngineStack(name, settings, targets[spec.target], secrets)
    if name in settings.hosted
    else ExternalStack(name, settings, targets[spec.target])
    for name, spec in settings.engines.items()
]
routes = [engine.route for engine in engines]
gateway = GatewayStack("gateway", settings, routes, targets[settings.gateway.target], secrets)
pulumi.export("endpoint", gateway.endpoint)
if settings.webui:
    webui = WebUiStack("webui", settings, targets[settings.webui.target], secrets)
    pulumi.export("webui", webui.endpoint)
pulumi.export("models", [model for route in routes for model in route.models])
