"""Node pools as AKS makes them: which labels, taints and resources the nodes of a pool have (pure)."""

from __future__ import annotations

import hashlib
from typing import Any, Self

from pydantic import Field, model_validator

from components.targets.kubernetes.site import Taint
from components.targets.spec.aks import PoolName
from components.workload import Value

SPOT_TAINT = Taint(key="kubernetes.azure.com/scalesetpriority", value="spot", effect="NoSchedule")
"""AKS puts it on every node of a spot pool."""

POOL_LABEL = "kubernetes.azure.com/agentpool"

GENERATION = "rehearsal.slm-stacks/generation"
"""Annotation of a node: which description of its pool it was made from."""


class SimulatedPool(Value):
    """A node pool that grows and shrinks between `min_nodes` and `max_nodes`.

    `cpus`, `memory_mib` and `gpus` are what the VM size has; pods get less, as AKS keeps some for itself. `zones` are
    numbers ("1"), and nodes are spread over them in turn. `labels` and `taints` come on top of AKS' own.
    """

    name: PoolName
    vm_size: str
    cpus: int = Field(ge=1)
    memory_mib: int = Field(ge=1024)
    ephemeral_gib: int = Field(128, ge=1)
    gpus: int = Field(0, ge=0)
    gpu_resource: str = "nvidia.com/gpu"
    max_pods: int = Field(110, ge=10, le=250)
    region: str = "westeurope"
    zones: tuple[str, ...] = ()
    system: bool = False
    spot: bool = False
    labels: dict[str, str] = Field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    min_nodes: int = Field(0, ge=0)
    max_nodes: int = Field(1, ge=0)

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.min_nodes > self.max_nodes:
            raise ValueError(f"{self.name}: min_nodes {self.min_nodes} is above max_nodes {self.max_nodes}")
        return self

    @property
    def node_taints(self) -> tuple[Taint, ...]:
        """The taints of its nodes, AKS' own included."""
        return (*self.taints, SPOT_TAINT) if self.spot and SPOT_TAINT not in self.taints else self.taints

    def zone(self, number: int) -> str:
        """The zone of its node with that number, in Kubernetes' words; "0" is AKS' word for none."""
        return f"{self.region}-{self.zones[number % len(self.zones)]}" if self.zones else "0"

    def node_labels(self, number: int) -> dict[str, str]:
        """The labels of its node with that number, the host name left out."""
        found = {
            "agentpool": self.name,
            POOL_LABEL: self.name,
            "kubernetes.azure.com/mode": "system" if self.system else "user",
            "kubernetes.azure.com/os-sku": "AzureLinux",
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/os": "linux",
            "node.kubernetes.io/instance-type": self.vm_size,
            "topology.kubernetes.io/region": self.region,
            "topology.kubernetes.io/zone": self.zone(number),
        }
        if self.spot:
            found["kubernetes.azure.com/scalesetpriority"] = "spot"
        if self.gpus:
            found["kubernetes.azure.com/accelerator"] = "nvidia"
        return found | self.labels

    def capacity(self) -> dict[str, str]:
        """What a node has."""
        found = {
            "cpu": str(self.cpus),
            "memory": f"{self.memory_mib}Mi",
            "ephemeral-storage": f"{self.ephemeral_gib}Gi",
            "pods": str(self.max_pods),
        }
        return found | ({self.gpu_resource: str(self.gpus)} if self.gpus else {})

    def allocatable(self) -> dict[str, str]:
        """What a node has for pods: AKS keeps processor time and memory for the kubelet and the system."""
        return self.capacity() | {
            "cpu": f"{self.cpus * 1000 - reserved_millicores(self.cpus)}m",
            "memory": f"{self.memory_mib - reserved_memory_mib(self.memory_mib, self.max_pods)}Mi",
            "ephemeral-storage": f"{int(self.ephemeral_gib * 0.9)}Gi",
        }

    def node_name(self, number: int) -> str:
        """`aks-gpu-12345678-vmss00000a`, as AKS names the instances of a scale set."""
        scale_set = int(hashlib.sha256(self.name.encode()).hexdigest(), 16) % 10**8
        return f"aks-{self.name}-{scale_set:08d}-vmss{_base36(number):0>6}"

    def generation(self) -> str:
        """Changes when its nodes would be other ones; not when only their number may change."""
        nodes = self.model_dump_json(exclude={"min_nodes", "max_nodes"})
        return hashlib.sha256(nodes.encode()).hexdigest()[:12]

    def node(self, number: int, address: str) -> dict[str, Any]:
        """The Node object, before it is ready."""
        name = self.node_name(number)
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "labels": self.node_labels(number) | {"kubernetes.io/hostname": name},
                "annotations": {GENERATION: self.generation()},
            },
            "spec": {
                "providerID": f"azure:///rehearsal/virtualMachineScaleSets/{self.name}/virtualMachines/{number}",
                "taints": [taint.model_dump(exclude_defaults=False) for taint in self.node_taints],
            },
            "status": {
                "capacity": self.capacity(),
                "allocatable": self.allocatable(),
                "addresses": [
                    {"type": "InternalIP", "address": address},
                    {"type": "Hostname", "address": name},
                ],
                "conditions": [],
            },
        }


def reserved_millicores(cpus: int) -> int:
    """Processor time that AKS keeps of a node, in thousandths of a core: its published table."""
    table = ((1, 60), (2, 100), (4, 140), (8, 180), (16, 260), (32, 420), (64, 740))
    return max(millicores for cores, millicores in table if cores <= cpus)


def reserved_memory_mib(memory_mib: int, max_pods: int) -> int:
    """Memory that AKS keeps of a node: 20 MiB a pod and 50 MiB, at most a quarter; and 100 MiB before it evicts."""
    return min(20 * max_pods + 50, memory_mib // 4) + 100


def _base36(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    return digits[number] if number < 36 else _base36(number // 36) + digits[number % 36]
