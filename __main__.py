"""Put each engine of this stack on its target, and the gateway in front of them."""

import pulumi

from components.program import connect, read_settings
from components.secrets import ConfigSecrets
from components.stack import EngineStack, GatewayStack

settings = read_settings()
secrets = ConfigSecrets(pulumi.Config("slm"))
targets = connect(settings)
engines = [EngineStack(name, settings, targets[spec.target], secrets) for name, spec in settings.engines.items()]
routes = [engine.route for engine in engines]
gateway = GatewayStack("gateway", settings, routes, targets[settings.gateway.target], secrets)
pulumi.export("endpoint", gateway.endpoint)
pulumi.export("models", [route.model for route in routes])
