"""How long simulated things take."""

from __future__ import annotations

from pydantic import Field

from components.workload import Value


class Timing(Value):
    """Seconds that simulated things take. The defaults are short: they keep every state visible, not realistic.

    `node_create` passes between a decision of the autoscaler and the node, `node_ready` between the node and its
    readiness; `pod_start` between scheduling and running containers, `pod_ready` until the pod is ready, `job_run`
    until a Job's pod succeeds. A deleted pod stays for `pod_stop`, or for its own grace period where that is shorter.
    A node above its pool's minimum goes after `node_idle` without a pod.
    """

    node_create: float = Field(0.2, ge=0)
    node_ready: float = Field(0.2, ge=0)
    node_idle: float = Field(60.0, ge=0)
    pod_start: float = Field(0.2, ge=0)
    pod_ready: float = Field(0.2, ge=0)
    pod_stop: float = Field(0.5, ge=0)
    job_run: float = Field(0.5, ge=0)
    load_balancer: float = Field(0.2, ge=0)
