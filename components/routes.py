"""From an engine to what the gateway must know of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import get_args

from components.engines import External, HostedEngine
from components.engines.base import Capability
from components.engines.external import HOST_GATEWAY
from components.gateway import Route, Upstream
from components.models import Model
from components.targets.placement import Naming, Scale


def route_of(name: str, engine: HostedEngine, model: Model, naming: Naming, scale: Scale) -> Route:
    """The gateway's route to the engine `name`, found on its target as `naming` says."""
    first, *variants = engine.served_models(model)
    return Route(
        name=name,
        model=first,
        variants=tuple(variants),
        host=naming.host_of(name),
        port=engine.port,
        concurrency=engine.concurrency,
        addresses=naming.addresses_of(scale),
        demand=scale.moves,
        paths=engine.paths,
        live=engine.liveness_path,
        lacks=_lacks(engine.capabilities),
        context=engine.truncates_at,
    )


def route_outside(name: str, engine: External) -> Route:
    """The gateway's route to an endpoint that someone else runs."""
    return Route(
        name=name,
        model=engine.served_name,
        host=engine.host,
        port=engine.port,
        concurrency=engine.concurrency,
        paths=engine.paths,
        lacks=_lacks(engine.capabilities),
        upstream=Upstream(
            tls=engine.tls,
            prefix=engine.prefix,
            key_secret=engine.key_secret,
            key_header=engine.key_header,
            ca_certificates=engine.ca_certificates,
            looked_up_once=engine.host == HOST_GATEWAY,
            health=engine.health_path,
        ),
    )


def _lacks(capabilities: Collection[Capability]) -> tuple[Capability, ...]:
    return tuple(sorted(set(get_args(Capability)) - set(capabilities)))
