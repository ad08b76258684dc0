"""NVIDIA's DCGM exporter: use, memory, temperature and errors of each GPU (pure). Only from its registry."""

from __future__ import annotations

from components.monitoring.probe import bash_probe
from components.workload import Image, Resources, Scratch, Workload

NAME = "dcgm-exporter"
PORT = 9400


def workload(gpus: int, image: Image) -> Workload:
    """The exporter of a host's `gpus`. Counters that need an administrator's rights (profiling) are left out."""
    return Workload(
        name=NAME,
        image=image,
        args=("--address", f":{PORT}"),
        scratch=(Scratch(path="/tmp", size_mib=64),),  # noqa: S108
        port=PORT,
        probe=bash_probe(PORT, "/health", startup=120),
        resources=Resources(memory_mib=512, cpus=0.5, pids=128),
        gpus=gpus,
    )
