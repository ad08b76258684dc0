"""From an engine to what the gateway must know of it."""

from __future__ import annotations

from components.engines import Engine
from components.gateway import Route
from components.models import Model


def route_of(name: str, engine: Engine, model: Model) -> Route:
    """The gateway's route to the engine `name`; on every target a workload's name is its host name."""
    return Route(
        name=name,
        model=engine.served_models(model)[0],
        host=name,
        port=engine.port,
        concurrency=engine.concurrency,
        paths=engine.paths,
        live=engine.liveness_path,
    )
