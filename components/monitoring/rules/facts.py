"""What of a stack's description the rules need to know: they compare what runs with what was described (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import Field

from components.engines import External
from components.monitoring.rules.objectives import Objectives
from components.pricing import own_prices, price_of
from components.targets.kubernetes.storage import memory_mib
from components.targets.spec import Aks, Docker, TargetSpec
from components.webui.workload import NAME as WEBUI
from components.workload import Value, Workload

if TYPE_CHECKING:
    from components.settings import Settings

MIB = 2**20
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}$")


class EngineFacts(Value):
    """One engine as described. Bytes and US dollars are of one copy; None where nobody knows.

    `least` is how many copies run at least: 0 for one that an autoscaler may let go. `model` is the first name its
    model is served under.
    """

    name: str
    kind: str
    model: str
    least: int = Field(1, ge=0)
    predicted_bytes: int | None = None
    usd_per_hour: float | None = None


class WorkloadFacts(Value):
    """One service as described: its memory limit in bytes as the target sets it, and the digest of its image where the
    target tells it.
    """

    name: str
    least: int = Field(1, ge=0)
    limit_bytes: int
    image: str | None = None


class KeyFacts(Value):
    """An API key by its id: when it was made, in seconds since 1970, None where nobody wrote it down."""

    name: str
    made: float | None = None


class Facts(Value):
    """A stack as the rules see it.

    `jobs` are the scrape jobs that must have targets. `queue_seconds` is how long the gateway lets a request wait.
    `backed_up`: `make backup` saves what the stack keeps, and is expected to. A key is
    to be replaced after `key_max_age_days`.
    """

    engines: tuple[EngineFacts, ...]
    workloads: tuple[WorkloadFacts, ...] = ()
    jobs: tuple[str, ...] = ()
    queue_seconds: int = Field(30, ge=1)
    backed_up: bool = False
    keys: tuple[KeyFacts, ...] = ()
    key_max_age_days: int | None = Field(None, ge=1)
    objectives: Objectives = Objectives()


def facts(
    settings: Settings, services: Iterable[Workload], jobs: Iterable[str], objectives: Objectives | None = None
) -> Facts:
    """The facts of a stack. `services` are all workloads that are to run, `jobs` the scrape jobs that were written."""
    least = {name: _least(settings, name) for name in settings.hosted} | {"gateway": settings.gateway.replicas}
    return Facts(
        engines=tuple(_engine(settings, name) for name in settings.engines),
        workloads=tuple(
            WorkloadFacts(
                name=service.name,
                least=least.get(service.name, 1),
                limit_bytes=_limit_mib(settings, service) * MIB,
                image=_digest(settings, service),
            )
            for service in services
        ),
        jobs=tuple(dict.fromkeys(jobs)),
        queue_seconds=settings.gateway.limits.queue_seconds,
        backed_up=settings.targets[settings.gateway.target].kind == "docker",
        keys=tuple(_keys(settings)),
        key_max_age_days=settings.monitoring.key_max_age_days if settings.monitoring else None,
        objectives=objectives or Objectives(),
    )


def _keys(settings: Settings) -> Iterator[KeyFacts]:
    """The keys that open the gateway: that of a chat page which the stack has no longer does not."""
    for key in settings.keys_made:
        if settings.webui or key.id != WEBUI:
            yield KeyFacts(name=key.id, made=key.made.timestamp() if isinstance(key.made, datetime) else None)


def _engine(settings: Settings, name: str) -> EngineFacts:
    engine = settings.engines[name]
    if isinstance(engine, External):
        return EngineFacts(name=name, kind=engine.kind, model=engine.served_name)
    own = settings.hosted[name]
    model = settings.model_of(name)
    return EngineFacts(
        name=name,
        kind=own.kind,
        model=own.served_models(model)[0],
        least=_least(settings, name),
        predicted_bytes=own.footprint(model).host_mib * MIB,
        usd_per_hour=_usd_per_hour(settings, name),
    )


def _least(settings: Settings, name: str) -> int:
    engine = settings.hosted[name]
    return engine.scaling.min if engine.scaling else engine.replicas


def _limit_mib(settings: Settings, service: Workload) -> int:
    """A cluster counts what lies in directories in memory as the container's own, and its limit is higher by them."""
    on_docker = isinstance(_target(settings, service), Docker)
    return service.resources.memory_mib if on_docker else memory_mib(service)


def _digest(settings: Settings, service: Workload) -> str | None:
    """Only Docker tells the image a container was made from; a cluster's runtime tells a digest of another thing."""
    found = _DIGEST.search(service.image)
    return found.group() if found and isinstance(_target(settings, service), Docker) else None


def _target(settings: Settings, service: Workload) -> TargetSpec:
    engine = settings.hosted.get(service.name)
    return settings.targets[engine.target if engine else settings.gateway.target]


def _usd_per_hour(settings: Settings, name: str) -> float | None:
    """What one copy takes of a node, at the node's price: its share of the GPUs, or of the memory without one."""
    engine = settings.hosted[name]
    target = settings.targets[engine.target]
    pool_name = target.pool_for(engine.gpus) if isinstance(target, Aks) else None
    if pool_name is None or not isinstance(target, Aks):
        return None
    pool = target.pools[pool_name]
    usd = price_of(pool.vm_size, target.location, own_prices(settings), spot=pool.spot).usd
    if usd is None:
        return None
    if engine.gpus:
        return usd * engine.gpus / pool.offered
    if pool.size is None:
        return None
    return usd * min(1.0, engine.memory_mib(settings.model_of(name)) / 1024 / pool.size.memory_gib)
