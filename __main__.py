"""Put each engine of this stack on its target, the gateway in front of them, and what watches both."""

import gc

import pulumi

from components import plan
from components.adopting import Adopting
from components.program import connect, end_quietly_when_cancelled, read_settings, told_in_words
from components.secrets import ConfigSecrets
from components.stack import EngineStack, ExternalStack, GatewayStack, MonitoringStack, WatchdogStack, WebUiStack

# Nearly all that this program makes lives until it ends, seconds later. To look for garbage in it over and over took a
# quarter of every preview, and found 5 MiB of 160.
gc.disable()
end_quietly_when_cancelled()
settings = read_settings()
adopting = Adopting(settings.adopt)
adopting.register()
secrets = ConfigSecrets(pulumi.Config("slm"), webui=settings.webui is not None)
with told_in_words():
    targets = connect(settings)
    engines = [
        EngineStack(name, settings, targets[spec.target], secrets)
        if name in settings.hosted
        else ExternalStack(name, settings, targets[spec.target])
        for name, spec in settings.engines.items()
    ]
    routes = [engine.route for engine in engines]
    gateway = GatewayStack("gateway", settings, routes, targets[settings.gateway.target], secrets)
    webui = WebUiStack("webui", settings, targets[settings.webui.target], secrets) if settings.webui else None
    if dog := plan.watchdog(settings, targets[settings.gateway.target]):
        WatchdogStack("watchdog", dog, targets[dog.target], secrets)
    monitoring = (
        MonitoringStack("monitoring", settings, targets[settings.monitoring.target], secrets)
        if settings.monitoring
        else None
    )
adopting.require_all_met()
pulumi.export("endpoint", gateway.endpoint)
if gateway.address is not None:
    pulumi.export("address", gateway.address)
if webui:
    pulumi.export("webui", webui.endpoint)
if monitoring and monitoring.endpoint:
    pulumi.export("grafana", monitoring.endpoint)
pulumi.export("models", [model for route in routes for model in route.models])
