"""Where a stack runs, as the stack file says it: one settings class per kind of target.

Only settings: no Pulumi here, and no decision about a workload. Every class has `gpus`, the number of GPUs that all
its machines have together.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from components.targets.spec.aks import AUTO, Aks, Pool
from components.targets.spec.docker import Docker
from components.targets.spec.kubernetes import Kubernetes

TargetSpec = Annotated[Docker | Kubernetes | Aks, Field(discriminator="kind")]

__all__ = ["AUTO", "Aks", "Docker", "Kubernetes", "Pool", "TargetSpec"]
