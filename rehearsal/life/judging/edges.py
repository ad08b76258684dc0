"""Who may call whom in a stack, said anew from its description: what live policies are held against (pure)."""

from __future__ import annotations

from components.engines import External
from components.gateway import INTERNAL_PORT, PLAIN_PORT
from components.gateway import NAME as GATEWAY
from components.gateway.render import PORT
from components.monitoring import blackbox, ollama_exporter
from components.settings import Settings
from components.targets.kubernetes.network import KEDA_LABELS
from components.targets.spec import Aks
from components.webui.workload import NAME as WEBUI
from rehearsal.life.judging.network import Edge, Object, Place

HTTPS, DNS = 443, 53
KEDA, NAMES, STRANGER = "keda", "name server", "a pod of another namespace"
WATCHER = "Azure's agent of figures"
SITE, INTERNET, METADATA, AZURE, API = "a site's machine", "the internet", "169.254.169.254", "168.63.129.16", "the API"

OUTSIDE = (
    Place(SITE, address="10.200.7.7"),
    Place(INTERNET, address="198.51.100.7"),
    Place(METADATA, address="169.254.169.254"),
    Place(AZURE, address="168.63.129.16"),
    Place(API, address="10.0.0.1"),
)


def places(templates: dict[str, dict[str, str]], namespace: str) -> list[Place]:
    """The stack's workloads by their pods' labels, and whoever else could call or be called."""
    own = {"kubernetes.io/metadata.name": namespace}
    system = {"kubernetes.io/metadata.name": "kube-system"}
    others = [
        Place(NAMES, "kube-system", {"k8s-app": "kube-dns"}, system),
        Place(KEDA, "kube-system", KEDA_LABELS, system),
        Place(WATCHER, "kube-system", {"rsName": "ama-metrics"}, system),
        Place(STRANGER, "default", {}, {"kubernetes.io/metadata.name": "default"}),
        *OUTSIDE,
    ]
    return [Place(name, namespace, labels, own) for name, labels in sorted(templates.items())] + others


def ports(settings: Settings) -> set[int]:
    """Every port at which somebody of the stack could be called, or could call."""
    outside = {e.port for e in settings.engines.values() if isinstance(e, External)}
    watching = {blackbox.PORT, ollama_exporter.PORT}
    own = {PORT, PLAIN_PORT, INTERNAL_PORT, HTTPS, DNS, 80} | watching
    return own | {e.port for e in settings.hosted.values()} | outside


def expected(settings: Settings, target: Aks, jobs: dict[str, bool]) -> set[Edge]:
    """The edges there must be. `jobs` are the jobs that fill volumes, and whether each may fetch from outside."""
    edges = {Edge(GATEWAY, name, engine.port) for name, engine in settings.hosted.items()}
    edges.add(Edge(GATEWAY, NAMES, DNS))
    if target.exposure == "internal":
        edges.add(Edge(SITE, GATEWAY, PORT))
        edges.add(Edge(API, GATEWAY, PORT))  # An address of a private range like any other.
    if target.exposure == "public":
        edges |= {Edge(place.name, GATEWAY, PORT) for place in OUTSIDE if _in(place.address, target.source_ranges)}
    if any(engine.scaling for engine in settings.hosted.values()):
        edges.add(Edge(KEDA, GATEWAY, INTERNAL_PORT))
    for engine in settings.engines.values():
        if isinstance(engine, External):
            edges.add(Edge(GATEWAY, INTERNET, engine.port))
    for job, fetches in jobs.items():
        if fetches:
            edges |= {Edge(job, INTERNET, HTTPS), Edge(job, NAMES, DNS)}
    if settings.webui:
        edges |= {Edge(WEBUI, GATEWAY, PLAIN_PORT if settings.gateway.tls else PORT), Edge(WEBUI, NAMES, DNS)}
        if target.exposure == "internal":
            edges |= {Edge(SITE, WEBUI, settings.webui.port), Edge(API, WEBUI, settings.webui.port)}
    return edges | _watching(settings)


def exporters(settings: Settings) -> list[str]:
    """What a stack that Azure watches runs for it: who calls the gateway, and who asks engines without figures."""
    if settings.monitoring is None:
        return []
    unmetered = any(engine.metrics_path is None for engine in settings.hosted.values())
    return [blackbox.NAME, *([ollama_exporter.NAME] if unmetered else [])]


def _watching(settings: Settings) -> set[Edge]:
    """Of a stack that Azure watches: its agent asks whoever has figures, and exporters ask the rest in its place."""
    if settings.monitoring is None:
        return set()
    edges = {Edge(WATCHER, GATEWAY, INTERNAL_PORT), Edge(WATCHER, blackbox.NAME, blackbox.PORT)}
    edges |= {Edge(blackbox.NAME, GATEWAY, PORT), Edge(blackbox.NAME, NAMES, DNS)}
    for name, engine in settings.hosted.items():
        if engine.metrics_path:
            edges.add(Edge(WATCHER, name, engine.port))
            continue
        edges.add(Edge(ollama_exporter.NAME, name, engine.port))
        edges.add(Edge(ollama_exporter.NAME, NAMES, DNS))
        edges.add(Edge(WATCHER, ollama_exporter.NAME, ollama_exporter.PORT))
    return edges


def _in(address: str, ranges: tuple[str, ...]) -> bool:
    from ipaddress import ip_address, ip_network

    return any(ip_address(address) in ip_network(cidr) for cidr in ranges)


def labels_of(controllers: list[Object]) -> dict[str, dict[str, str]]:
    """The labels of each workload's pods, by the workload's name."""
    found = {}
    for controller in controllers:
        labels = controller["spec"]["template"]["metadata"].get("labels", {})
        found[labels.get("app.kubernetes.io/name", controller["metadata"]["name"])] = labels
    return found


def differences(found: set[Edge], wanted: set[Edge]) -> list[str]:
    """One line for each edge too many and each that is missing; empty where both are the same."""
    return [f"open, and must not be: {edge}" for edge in sorted(found - wanted)] + [
        f"closed, and must be open: {edge}" for edge in sorted(wanted - found)
    ]
