"""cAdvisor: memory, processors and restarts of each container of a Docker host (pure)."""

from __future__ import annotations

from components.monitoring.probe import http_probe
from components.workload import Image, Resources, Workload

NAME = "cadvisor"
PORT = 8080
LABELS = ("slm.stack", "slm.workload")
"""Labels of containers that become labels of their series: whose it is, and which part of it."""


def workload(engine_api: str, image: Image) -> Workload:
    """cAdvisor, which asks Docker through `engine_api` (host:port) and reads the control groups of the kernel.

    Networks and file systems of single containers are left out: they need the machine's own process list and all of
    Docker's folder.
    """
    return Workload(
        name=NAME,
        image=image,
        args=(
            f"-port={PORT}",
            f"-docker=tcp://{engine_api}",
            "-docker_only=true",
            "-store_container_labels=false",
            f"-whitelisted_container_labels={','.join(LABELS)}",
            "-enable_metrics=cpu,memory,oom_event",
            "-housekeeping_interval=10s",
            "-storage_duration=1m",
            "-v=0",
        ),
        port=PORT,
        probe=http_probe(PORT, "/healthz"),
        resources=Resources(memory_mib=192, cpus=0.5, pids=128),
    )
