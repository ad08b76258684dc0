"""What monitoring is made of on a cluster's nodes: agents on each of them, and how they are asked (pure).

Every agent is found by its Service's name, which stands for a copy on each node, so that nobody lists the cluster's
pods or nodes. What needs a path of the node lives apart from the stack (control 41).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from components.monitoring import collector, dcgm, kubelet, loki, node_exporter, prometheus
from components.monitoring.job import Asked, Job, data_disk
from components.targets.placement import Caller, Each, Naming, Surroundings, View
from components.targets.spec import Docker
from components.workload import Workload

if TYPE_CHECKING:
    from components.settings import Settings


def is_cluster(settings: Settings) -> bool:
    """Whether monitoring runs on a cluster. Raises KeyError for a target that is not there."""
    own = settings.monitoring
    return own is not None and not isinstance(settings.targets[own.target], Docker)


def namespaces(settings: Settings) -> tuple[str, str]:
    """Where pods of the stack are: its own namespace, and that of its node agents."""
    own = settings.monitoring
    target = settings.targets[own.target] if own else None
    if target is None or isinstance(target, Docker):
        raise ValueError("monitoring of this stack is not on a cluster")
    return target.namespace, f"{target.namespace}-node-agents"


def parts(settings: Settings, naming: Naming) -> Iterator[tuple[Workload, Surroundings]]:
    """The agents, in the order they are deployed."""
    images = settings.images
    ships_to = f"{naming.host_of(loki.NAME)}:{loki.PORT}"
    ships = collector.node_workload(ships_to, namespaces(settings), images["collector"])
    yield ships, _on_each("machine", view="container-logs", calls=True, ports=collector.ASKED)
    yield node_exporter.workload(images["node-exporter"]), _on_each("machine")
    yield kubelet.workload(images["haproxy"]), _on_each("machine", view="own-kubelet")
    if measures_gpus(settings):
        yield dcgm.workload(0, images[dcgm.NAME], of_node=True), _on_each("gpu-machine", view="gpu-users")


def _on_each(
    each: Each, view: View | None = None, *, calls: bool = False, ports: Sequence[int | None] = (None,)
) -> Surroundings:
    callers = tuple(Caller(prometheus.NAME, port) for port in ports)
    return Surroundings(circles=("monitoring",), callers=callers, calls=calls, advised=True, view=view, on_each=each)


def measures_gpus(settings: Settings) -> bool:
    """Whether the cluster has GPUs, and the exporter of their figures can be had."""
    own = settings.monitoring
    return own is not None and settings.targets[own.target].gpus > 0 and settings.has_image(dcgm.NAME)


def jobs(settings: Settings, naming: Naming) -> Iterator[Job]:
    """What is asked of the nodes."""
    shipper = naming.agent_host_of(collector.NAME)
    yield Job(name="collector", asked=tuple(Asked(host=shipper, port=port, copies=True) for port in collector.ASKED))
    if measures_gpus(settings):
        yield Job(
            name="dcgm",
            asked=(Asked(host=naming.agent_host_of(dcgm.NAME), port=dcgm.PORT, copies=True),),
            series=({"source_labels": ["container"], "regex": "(.+)", "target_label": "workload"},),
        )
    yield Job(
        name="node",
        asked=(Asked(host=naming.host_of(node_exporter.NAME), port=node_exporter.PORT, copies=True),),
        series=data_disk(node_exporter.KUBELET_DISK),
    )
    yield _containers(settings, naming)


def _containers(settings: Settings, naming: Naming) -> Job:
    """Containers of this stack alone, under the names of their workloads, as the kubelets' own cAdvisor counts them."""
    return Job(
        name="cadvisor",
        asked=(Asked(host=naming.host_of(kubelet.NAME), port=kubelet.PORT, copies=True),),
        path="/metrics/cadvisor",
        connection=_KUBELET,
        series=of_workloads(namespaces(settings)),
    )


def of_workloads(own: Sequence[str]) -> tuple[dict[str, Any], ...]:
    """Of a kubelet's figures, those of containers in these namespaces, under the names of their workloads."""
    return (
        {
            "source_labels": ["__name__", "namespace"],
            "regex": f"(machine|cadvisor|process)_.*;|container_.*;({'|'.join(own)})",
            "action": "keep",
        },
        # A pod has control groups of its own, and one that only holds its network.
        {"source_labels": ["__name__", "container"], "regex": "container_.*;(POD)?", "action": "drop"},
        {"source_labels": ["container"], "regex": "(.+)", "target_label": "workload"},
        {"regex": "name|image|container|namespace", "action": "labeldrop"},
    )


_KUBELET: dict[str, Any] = {
    "scheme": "https",
    "authorization": {"credentials_file": kubelet.TOKEN},
    # Kubelets sign their own certificates unless the cluster was told otherwise, and are called by addresses that are
    # in none. Who could answer in a kubelet's place would get a token that reads figures for an hour.
    "tls_config": {"insecure_skip_verify": True},
}
