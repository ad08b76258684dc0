"""What a description must say differently where it runs on a cluster, and what only a cluster can do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from components.engines import External
from components.engines.base import EngineBase
from components.engines.external import HOST_GATEWAY
from components.model_sources import PathSource
from components.monitoring.roles import optional_roles, required_roles
from components.settings.image_rules import SOME_IMAGE
from components.settings.problems import Problem, path_of
from components.targets.kubernetes.names import COPIES, OUTSIDE, is_loopback
from components.targets.spec import Aks, Docker, Kubernetes, Pool
from components.targets.spec.kubernetes import ClusterPool

if TYPE_CHECKING:
    from components.monitoring.settings import Monitoring
    from components.settings.model import Settings

SERVICE_VARIABLES = ("vllm", "ollama")
"""Names whose Service would inject variables that the engine of that name reads as its own settings."""

LOOPBACK = "127.0.0.1"

SERVICES = {f"{name}{end}" for name in ("gateway", "webui", "grafana") for end in (COPIES, OUTSIDE)}
"""Names of the further Services of workloads that are reached from outside the cluster."""


def clusters(settings: Settings) -> Iterator[Problem]:
    """Every disagreement between engines, gateway and chat page and the kind of target they are on.

    All names stand for something, and engines fit their models: others have looked.
    """
    for name, engine in settings.engines.items():
        target = settings.targets[engine.target]
        if isinstance(target, Docker):
            yield from _on_docker(name, engine)
        else:
            yield from _on_cluster(settings, name, engine, target)
    yield from _shared_disks(settings)
    yield from _way_in(settings)


def _on_docker(name: str, engine: EngineBase | External) -> Iterator[Problem]:
    if isinstance(engine, EngineBase):
        harm = f"a Docker engine runs one copy, and target '{engine.target}' is one"
        fix = "remove it, or use a cluster (kind kubernetes or aks)"
        if engine.replicas > 1:
            yield Problem(path_of(("engines", name, "replicas")), f"wants {engine.replicas}: {harm}", fix)
        if engine.scaling:
            yield Problem(path_of(("engines", name, "scaling")), harm, fix)


def _on_cluster(
    settings: Settings, name: str, engine: EngineBase | External, target: Kubernetes | Aks
) -> Iterator[Problem]:
    here = ("engines", name)
    if name in SERVICE_VARIABLES:
        harm = f"name '{name}' makes Kubernetes inject {name.upper()}_PORT, which the engine reads as its own"
        yield Problem(path_of(here), harm, "choose another name")
    if name in SERVICES:
        yield Problem(path_of(here), f"a Service of what is exposed is called '{name}' already", "choose another name")
    if isinstance(engine, External):
        if engine.host == HOST_GATEWAY:
            harm = f"{HOST_GATEWAY} is a container's own machine, and on a cluster that is any node"
            yield Problem(path_of((*here, "url")), harm, "give the endpoint's own address")
        return
    yield from _copies(settings, name, engine, target)
    model = settings.model_of(name)
    origin = model.origin_of(engine.weights_of(model)[0])
    if all(isinstance(source, PathSource) for source in origin.sources):
        harm = "its weights come from a path of this machine only, and nothing copies them onto a cluster"
        yield Problem(path_of((*here, "model")), harm, "add a source that a job can fetch from")


def _copies(settings: Settings, name: str, engine: EngineBase, target: Kubernetes | Aks) -> Iterator[Problem]:
    here, most = ("engines", name), engine.most_copies
    field = "scaling" if engine.scaling else "replicas"
    if engine.gpus and (too_many := _too_many(settings, name, target)):
        fix = "lower it, or raise the pool's max_nodes"
        yield Problem(path_of((*here, field if most > 1 else "gpus")), too_many, fix)
    if most > 1 and _one_node_at_a_time(target) and _nodes(target, engine.gpus) != 1:
        harm = f"{most} copies, and the volume of the weights can be mounted by one node at a time"
        yield Problem(path_of((*here, field)), harm, f"{_wider(target)}, or run one copy")
    no_keda = isinstance(target, Kubernetes) and target.keda_namespace is None
    if engine.scaling and no_keda and (engine.gpus or engine.scaling.min == 0):
        harm = "without KEDA nothing sees how busy a GPU is or starts a first copy, and the target names none"
        yield Problem(path_of((*here, "scaling")), harm, "install KEDA and set keda_namespace, or use replicas")


def _shared_disks(settings: Settings) -> Iterator[Problem]:
    """Engines that read one volume which only one node can mount, and that no node could all run on."""
    users: dict[tuple[str, str], list[str]] = {}
    for name, engine in settings.hosted.items():
        target = settings.targets[engine.target]
        if isinstance(target, Docker) or not _one_node_at_a_time(target) or _nodes(target, engine.gpus) == 1:
            continue
        workload = engine.workload(name, settings.model_of(name), defaultdict(lambda: SOME_IMAGE))
        for volume in (v for v in workload.volumes if v.fill):
            users.setdefault((engine.target, volume.name), []).append(name)
    for (place, disk), names in users.items():
        target, engines = settings.targets[place], [settings.hosted[name] for name in names]
        if isinstance(target, Docker) or len(names) == 1:
            continue
        pools = {target.pool_for(engine.gpus) for engine in engines}
        gpus = sum(engine.gpus for engine in engines)
        if len(pools) > 1 or (gpus and target.pool_for(gpus) not in pools):
            harm = f"it reads the weights of '{names[0]}' (volume {disk}), which one node at a time can mount"
            yield Problem(
                path_of(("engines", names[-1])), harm, f"{_wider(target)}, or give it weights of another form"
            )


def _wider(target: Kubernetes | Aks) -> str:
    if isinstance(target, Aks):
        return "set storage: files on the target"
    return "set storage_access: ReadWriteMany on the target, with a class that can"


def _too_many(settings: Settings, name: str, target: Kubernetes | Aks) -> str | None:
    """What an engine's copies need that its pool has not at its most, with the engines before it; None when it has."""
    engine = settings.hosted[name]
    where = target.pool_for(engine.gpus)
    pool = _pools(target)[where] if where else None
    if pool is None or pool.max_nodes is None:
        return None
    own = engine.gpus * engine.most_copies
    if own > (usable := pool.offered // engine.gpus * engine.gpus * pool.max_nodes):
        return f"needs {own} GPUs, {engine.gpus} on one node, pool '{where}' allows {usable}"
    earlier = list(settings.hosted)[: list(settings.hosted).index(name)]
    before = [e for e in (settings.hosted[n] for n in earlier) if e.target == engine.target and e.gpus]
    wants = own + sum(e.gpus * e.most_copies for e in before if target.pool_for(e.gpus) == where)
    allows = pool.offered * pool.max_nodes
    return f"needs {wants} GPUs with the engines before it, pool '{where}' allows {allows}" if wants > allows else None


def _pools(target: Kubernetes | Aks) -> dict[str, Pool | ClusterPool]:
    return dict(target.all_pools if isinstance(target, Kubernetes) else target.pools)


def _nodes(target: Kubernetes | Aks, gpus: int) -> int | None:
    name = target.pool_for(gpus)
    return _pools(target)[name].max_nodes if name else None


def _one_node_at_a_time(target: Kubernetes | Aks) -> bool:
    return target.storage == "disk" if isinstance(target, Aks) else target.storage_access == "ReadWriteOnce"


def _way_in(settings: Settings) -> Iterator[Problem]:
    gateway, webui = settings.gateway, settings.webui
    target = settings.targets[gateway.target]
    if isinstance(target, Docker):
        if gateway.replicas > 1:
            harm = f"a Docker engine runs one copy, and target '{gateway.target}' is one"
            yield Problem(
                path_of(("gateway", "replicas")), harm, "remove it, or use a cluster (kind kubernetes or aks)"
            )
        return
    for what, part in (("gateway", gateway), ("webui", webui)):
        if part is not None and part.bind != LOOPBACK:
            harm = f"{part.bind} is an address of one machine, and the cluster decides which node it runs on"
            yield Problem(path_of((what, "bind")), harm, "remove it; exposure of the target says who may call")
    if target.exposure == "none":
        return
    if gateway.tls is None:
        harm = f"exposure {target.exposure}: other machines reach it, and keys and prompts could be read on the way"
        yield Problem(path_of(("gateway", "tls")), harm, "TLS is required: tls with certificate and key")
    if all(is_loopback(host) for host in gateway.hosts):
        harm = "clients call it by a name that is not in its list, and would be refused"
        yield Problem(path_of(("gateway", "hosts")), harm, "add the name that leads to its load balancer")
    if webui is not None and (webui.tls is None or webui.url is None):
        harm = f"exposure {target.exposure}: other machines reach it, and passwords and chats could be read on the way"
        yield Problem(path_of(("webui", "tls")), harm, "TLS is required: tls with certificate and key, and url")
    if webui is not None and webui.sign_up:
        harm = "whoever reaches the page could fill it with accounts: refused"
        yield Problem(path_of(("webui", "sign_up")), harm, "remove sign_up and let the administrator add people")


def watched(settings: Settings, monitoring: Monitoring) -> Iterator[Problem]:
    """What monitoring must say differently on a cluster, whose target is known."""
    target, pages, here = settings.targets[monitoring.target], monitoring.grafana, "monitoring"
    if monitoring.managed and not isinstance(target, Aks):
        harm = f"azure-managed is Azure's monitoring of a cluster it runs, and '{monitoring.target}' is none"
        yield Problem(path_of((here, "kind")), harm, "kind: prometheus, or a target of kind aks")
        return
    if isinstance(target, Docker) or monitoring.managed:
        return
    if isinstance(target, Aks):
        harm = "AKS' network policies (Cilium) name no nodes, so that nothing in a pod may ask kubelets for figures"
        yield Problem(path_of((here,)), harm, "kind: azure-managed")
    if monitoring.forward and monitoring.forward.host == HOST_GATEWAY:
        harm = f"{HOST_GATEWAY} is a container's own machine, and on a cluster that is any node"
        yield Problem(path_of((here, "forward", "url")), harm, "give the store's own address")
    if pages is None:
        return
    if pages.bind != LOOPBACK:
        harm = f"{pages.bind} is an address of one machine, and the cluster decides which node it runs on"
        fix = "remove it; exposure of the target says who may call"
        yield Problem(path_of((here, "grafana", "bind")), harm, fix)
    if target.exposure != "none" and (pages.tls is None or pages.url is None):
        harm = f"exposure {target.exposure}: other machines reach its pages, and passwords could be read on the way"
        fix = "TLS is required: tls with certificate and key, and url; or grafana: null"
        yield Problem(path_of((here, "grafana", "tls")), harm, fix)


def foreign_images(settings: Settings) -> Iterator[str]:
    """One sentence for each image that a cluster cannot pull, because only this machine's Docker engine has it."""
    on_clusters = {t for t, spec in settings.targets.items() if not isinstance(spec, Docker)}
    roles: set[str] = set()
    for name, engine in settings.hosted.items():
        if engine.target in on_clusters:
            roles |= set(engine.roles(settings.model_of(name)))
    if settings.gateway.target in on_clusters:
        roles.add(settings.gateway.kind)
    if settings.webui and settings.webui.target in on_clusters:
        roles.add("webui")
    if settings.monitoring and settings.monitoring.target in on_clusters:
        roles |= required_roles(settings) | optional_roles(settings)
    for role in sorted(roles):
        if settings.images.get(role, "").startswith("sha256:"):
            yield (
                f"image '{role}' is known to this machine's Docker engine only, and nodes of a cluster pull from a"
                f" registry — push it there and name it by its digest: slm:images.{role}"
            )
