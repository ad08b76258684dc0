"""What of a stack runs where, and what surrounds it there: each workload with the facts its target needs (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from components.engines import External
from components.gateway import INTERNAL_PORT, PLAIN_PORT, Route, demand_path, inside_url
from components.gateway import NAME as GATEWAY
from components.gateway import workload as gateway_workload
from components.monitoring import blackbox, ollama_exporter, prometheus
from components.monitoring.grafana import NAME as GRAFANA
from components.monitoring.grafana_settings import Grafana
from components.monitoring.parts import parts
from components.monitoring.scrape import Job, jobs
from components.monitoring.settings import Monitoring
from components.routes import route_of, route_outside
from components.settings import Settings
from components.settings.image_rules import SOME_IMAGE
from components.targets.docker.container import Names as DockerNames
from components.targets.placement import Caller, Exposure, Naming, Outside, Scale, Signal, Surroundings
from components.targets.spec import Docker
from components.watchdog import workload as watchdog_workload
from components.webui.workload import NAME as WEBUI
from components.webui.workload import workload as webui_workload
from components.workload import Workload


@dataclass(frozen=True)
class Planned:
    """A workload, the target it runs on, and what surrounds it there."""

    target: str
    workload: Workload
    around: Surroundings


def scale_of(settings: Settings, name: str) -> Scale:
    """How many copies of a hosted engine run.

    The gateway holds the queue of all of them, so it knows what is asked: a copy has enough to do with as many requests
    as it works on at once. Each copy of the gateway sees its share of them.
    """
    engine = settings.hosted[name]
    if engine.scaling is None:
        return Scale(engine.replicas, engine.replicas)
    signal = Signal(GATEWAY, INTERNAL_PORT, demand_path(name), "demand", engine.concurrency / settings.gateway.replicas)
    return Scale(engine.scaling.min, engine.scaling.max, signal, engine.scaling.idle_seconds)


def route(settings: Settings, name: str, naming: Naming) -> Route:
    """The gateway's way to the engine `name`, whoever runs it."""
    engine = settings.engines[name]
    if isinstance(engine, External):
        return route_outside(name, engine)
    return route_of(name, settings.hosted[name], settings.model_of(name), naming, scale_of(settings, name))


def engine(settings: Settings, name: str) -> Planned:
    """A hosted engine: the gateway calls it, and monitoring asks it for its figures; nobody else."""
    own = settings.hosted[name]
    others = sum(
        other.gpus * other.most_copies
        for key, other in settings.hosted.items()
        if key != name and other.target == own.target
    )
    watcher = prometheus.NAME if own.metrics_path else ollama_exporter.NAME
    callers = (Caller(GATEWAY), *([Caller(watcher)] if settings.monitoring else []))
    around = Surroundings(callers=callers, scale=scale_of(settings, name), other_gpus=others)
    return Planned(own.target, settings.workload_of(name), around)


def gateway(settings: Settings, routes: Sequence[Route], naming: Naming) -> Planned:
    """The way in: it calls every engine, and the chat page calls it."""
    own = settings.gateway
    workload = gateway_workload(
        own,
        routes,
        settings.images["haproxy"],
        resolver=naming.resolver(),
        called_inside=settings.webui is not None,
        log_contents=bool(settings.monitoring and settings.monitoring.logs.contents),
    )
    scales = any(r.demand for r in routes)
    around = Surroundings(
        exposure=_exposure(settings),
        callers=_callers_of_the_gateway(settings),
        calls=True,
        outside=tuple(Outside(r.host, r.port) for r in routes if r.upstream),
        scale=Scale(own.replicas, own.replicas),
        metrics_port=INTERNAL_PORT if settings.monitoring or scales else None,
        scales_others=scales,
        advised=True,
    )
    return Planned(own.target, workload, around)


def _callers_of_the_gateway(settings: Settings) -> tuple[Caller, ...]:
    page = [Caller(WEBUI, PLAIN_PORT if settings.gateway.tls else None)] if settings.webui else []
    watchers = [Caller(prometheus.NAME, INTERNAL_PORT), Caller(blackbox.NAME)] if settings.monitoring else []
    return (*page, *watchers)


def endpoint(settings: Settings, naming: Naming) -> str:
    """The base URL by which clients call the gateway."""
    return f"{'https' if settings.gateway.tls else 'http'}://{naming.outside(_exposure(settings))}/v1"


def _exposure(settings: Settings) -> Exposure:
    own = settings.gateway
    return Exposure(own.bind, own.port, own.hosts)


def webui(settings: Settings) -> Planned:
    """The chat page: it calls the gateway and no engine. Raises ValueError for a stack without one."""
    page = settings.webui
    if page is None:
        raise ValueError("the stack has no webui")
    model = page.model or settings.chat_models()[0]
    workload = webui_workload(page, inside_url(settings.gateway), model, settings.images["webui"])
    around = Surroundings(exposure=Exposure(page.bind, page.port), circles=(), calls=True, advised=True)
    return Planned(page.target, workload, around)


def has_watchdog(settings: Settings) -> bool:
    """Whether anything starts what is unhealthy again on the gateway's target, other than a kubelet."""
    spec = settings.targets[settings.gateway.target]
    return isinstance(spec, Docker) and spec.patience > 0


def watchdog(settings: Settings, naming: Naming) -> Planned | None:
    """What starts an unhealthy engine or gateway of a Docker host again; None where nobody does, or the kubelet."""
    own = settings.gateway
    spec = settings.targets[own.target]
    if not isinstance(spec, Docker) or not has_watchdog(settings):
        return None
    names = DockerNames(naming.stack, spec.name)
    watched = [names.container(name) for name in (*settings.hosted, GATEWAY)]
    workload = watchdog_workload(watched, spec.patience, settings.images["haproxy"])
    return Planned(own.target, workload, Surroundings(circles=(), view="container-restarts"))


def scrape_jobs(settings: Settings, naming: Naming) -> tuple[Job, ...]:
    """What Prometheus asks of a stack with monitoring."""
    scales = {name: scale_of(settings, name) for name in settings.hosted}
    scales[GATEWAY] = Scale(settings.gateway.replicas, settings.gateway.replicas)
    return jobs(settings, naming, scales)


def monitoring(settings: Settings, services: Sequence[Workload], naming: Naming) -> Iterator[Planned]:
    """The parts of monitoring, which watch `services`. Raises ValueError for a stack without any."""
    own = settings.monitoring
    if own is None:
        raise ValueError("the stack has no monitoring")
    for workload, around in parts(settings, own, naming, scrape_jobs(settings, naming), services):
        yield Planned(own.target, workload, around)


def services(settings: Settings, naming: Naming) -> Iterator[Planned]:
    """The stack without its monitoring, in the order it is deployed, all of it on the gateway's target."""
    for name in settings.hosted:
        yield engine(settings, name)
    yield gateway(settings, [route(settings, name, naming) for name in settings.engines], naming)
    if settings.webui:
        yield webui(settings)
    if dog := watchdog(settings, naming):
        yield dog


def plan(settings: Settings, naming: Mapping[str, Naming]) -> Iterator[Planned]:
    """Everything a stack runs, in the order it is deployed. `naming` is of each target by its name."""
    here = naming[settings.gateway.target]
    served = list(services(settings, here))
    yield from served
    if settings.monitoring:
        yield from monitoring(settings, [planned.workload for planned in served], here)


def monitoring_mib(settings: Settings) -> int:
    """The memory limits of all parts of monitoring together; 0 for a stack without any."""
    if settings.monitoring is None:
        return 0
    # Grafana is added by hand: to describe it, its pages would have to be written first, which takes long.
    images = {role: SOME_IMAGE for role in {*settings.roles(), *settings.optional_roles()} - {GRAFANA}}
    known, pages = settings.model_copy(update={"images": images}), _own_pages(settings.monitoring)
    parts_mib = [planned.workload.resources.memory_mib for planned in monitoring(known, (), _Anywhere())]
    return sum(parts_mib) + (pages.memory_mib if pages else 0)


def _own_pages(monitoring: Monitoring) -> Grafana | None:
    return None if monitoring.managed else monitoring.grafana


class _Anywhere:
    """Names of things where only their sizes matter."""

    stack = "any"

    def resolver(self) -> None:
        return

    def host_of(self, name: str) -> str:
        return name

    def copies_host_of(self, name: str) -> str:
        return name

    def agent_host_of(self, name: str) -> str:
        return name

    def addresses_of(self, scale: Scale) -> int:
        return scale.most

    def outside(self, exposure: Exposure) -> str:
        return exposure.bind
