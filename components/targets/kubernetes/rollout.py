"""How a new version replaces the old one, and how long that may take (pure)."""

from __future__ import annotations

from components.targets.kubernetes.names import Manifest
from components.targets.kubernetes.probes import grace_seconds
from components.targets.kubernetes.site import NodePool
from components.targets.placement import Scale
from components.workload import Workload

NODE_SECONDS = 900
"""What a copy may need before its process begins: a node is added, its GPU driver loaded, an image of gigabytes
pulled."""

STEP = 1
"""Copies that are started or stopped at once."""


def can_surge(gpus: int, copies: int, pool: NodePool, other_gpus: int, *, bound_to_node: bool) -> bool:
    """Whether the pool holds one copy more than `copies`, however everything else on it has been placed (control 34).

    A new copy that waits for a GPU that only the end of an old one would free waits for ever, and with it the rollout.
    `other_gpus` are what others take at their most: each of them can spoil at most one place for a pod.
    `bound_to_node`: all copies must share one node, whose room nobody knows.
    """
    if bound_to_node:
        return False
    if gpus == 0:
        return True
    slots = pool.slots(gpus)
    return slots is not None and slots - other_gpus >= copies + STEP


def strategy(surge: bool) -> Manifest:
    """A Deployment's strategy: a new copy first where there is room for it, else an old one makes way."""
    update = {"maxSurge": STEP, "maxUnavailable": 0} if surge else {"maxSurge": 0, "maxUnavailable": STEP}
    return {"type": "RollingUpdate", "rollingUpdate": update}


def progress_seconds(workload: Workload) -> int:
    """How long a rollout may stand still: an old copy ends, a node comes, a new copy starts."""
    startup = workload.probe.startup if workload.probe else 0
    return NODE_SECONDS + startup + grace_seconds(workload)


def service_seconds(workload: Workload, scale: Scale) -> int:
    """How long whoever deploys waits for all copies, one after the other."""
    return progress_seconds(workload) * max(scale.least, 1) + 60


def job_seconds(job: Workload) -> int:
    """How long a job may take, the wait for a node included."""
    return NODE_SECONDS + job.deadline
