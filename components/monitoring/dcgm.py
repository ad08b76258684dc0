"""NVIDIA's DCGM exporter: use, memory, temperature and errors of each GPU (pure). Only from its registry."""

from __future__ import annotations

from components.monitoring.probe import bash_probe
from components.workload import Image, Resources, Scratch, Workload

NAME = "dcgm-exporter"
PORT = 9400

_OF_NODE = {"DCGM_EXPORTER_KUBERNETES": "true", "NVIDIA_VISIBLE_DEVICES": "all"}


def workload(gpus: int, image: Image, *, of_node: bool = False) -> Workload:
    """The exporter of a host's `gpus`. Counters that need an administrator's rights (profiling) are left out.

    `of_node`: of a cluster's node. There it sees all GPUs and takes none away from engines, and asks the kubelet which
    container each of them was given to.
    """
    return Workload(
        name=NAME,
        image=image,
        args=("--address", f":{PORT}"),
        env=_OF_NODE if of_node else {},
        scratch=(Scratch(path="/tmp", size_mib=64),),  # noqa: S108
        port=PORT,
        probe=bash_probe(PORT, "/health", startup=120),
        resources=Resources(memory_mib=512, cpus=0.5, pids=128),
        gpus=gpus,
    )
