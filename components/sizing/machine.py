"""What an engine may use where it is going to run: memory of GPU and host, disk, as far as it is known (pure)."""

from __future__ import annotations

from pydantic import Field

from components.catalog.hardware import Gpu, Hardware, VmSize, hardware
from components.engines.base import EngineBase
from components.targets.spec import Aks, Docker, Pool, TargetSpec
from components.workload import Value

GIB = 1024
HOST_RESERVE_MIB = 1024
"""Left to the operating system, Docker and the gateway on a host whose memory is declared."""

EVICTION_MIB = 750
"""A Kubernetes node evicts pods when less than this is free."""

DAEMONS_MIB = 512
"""What network, storage and GPU daemons of an AKS node take."""


class Machine(Value):
    """What one engine may use. Memory and disk are in MiB; None means that nobody said it, so nothing is judged by it.

    `ram_mib` and `disk_mib` are what is left for engines. `gpus` are those of one machine, `taken_vram_mib` what other
    engines hold on the same ones; `unknown` says in sentences
    what is missing for a judgement, "what — fix".
    """

    name: str
    ram_mib: int | None = Field(None, ge=0)
    disk_mib: int | None = Field(None, ge=0)
    vcpus: int | None = None
    gpu_name: str | None = None
    gpu: Gpu | None = None
    gpus: int = 0
    taken_vram_mib: int = 0
    unknown: tuple[str, ...] = ()

    @property
    def shares_memory(self) -> bool:
        """Whether the GPU's memory is the host's as well."""
        return self.gpu is not None and self.gpu.shared


def reserved_by_aks(memory_mib: int) -> int:
    """MiB that an AKS node keeps from pods: a falling share of its memory, the eviction threshold, and daemons.

    Newer AKS versions keep less; the older, larger reserve is assumed, so that a fit is one on both.
    """
    reserve, left = 0.0, memory_mib
    for size, share in ((4 * GIB, 0.25), (4 * GIB, 0.20), (8 * GIB, 0.10), (112 * GIB, 0.06)):
        part = min(left, size)
        reserve, left = reserve + part * share, left - part
    return int(reserve + left * 0.02) + EVICTION_MIB + DAEMONS_MIB


def of_vm_size(name: str, size: VmSize, known: Hardware | None = None) -> Machine:
    """A node of an Azure VM size."""
    known = known or hardware()
    memory = size.memory_gib * GIB
    return Machine(
        name=name,
        ram_mib=memory - reserved_by_aks(memory),
        vcpus=size.vcpus,
        gpu_name=size.gpu,
        gpu=known.gpus[size.gpu] if size.gpu else None,
        gpus=size.gpus,
    )


def for_pod(node: Machine, engine: EngineBase) -> Machine:
    """What of a node's memory is left for an engine once its pod has its directories in memory."""
    if node.ram_mib is None:
        return node
    return node.model_copy(update={"ram_mib": max(0, node.ram_mib - engine.directories_mib)})


def candidates(target: TargetSpec, engine: EngineBase) -> tuple[Machine, ...]:
    """The machines of a target an engine could run on, at least one. Pools have VM sizes (see auto.resolved)."""
    if isinstance(target, Docker):
        return (_docker(target, engine),)
    if isinstance(target, Aks):
        # The same pool that the target places it on, so that nothing is judged on nodes where it will not run.
        name = target.pool_for(engine.gpus)
        if name is None:
            which = f"whose nodes have {engine.gpus} GPUs" if engine.gpus > 1 else "with GPUs"
            return (
                Machine(name=target.where, unknown=(f"{target.where} has no pool {which} — add one to its pools",)),
            )
        return (for_pod(_node(name, target.pools[name]), engine),)
    missing = "the GPU and memory of its nodes are not described here"
    return (Machine(name=target.where, gpus=target.gpus, unknown=(f"{missing} — compare with kubectl describe node",)),)


def _docker(target: Docker, engine: EngineBase) -> Machine:
    gpu = hardware().gpus.get(target.gpu) if target.gpu else None
    unknown: tuple[str, ...] = ()
    if engine.gpus and gpu is None:
        known = ", ".join(hardware().gpus)
        unknown = (f"which GPU {target.where} has is not said — set gpu of the target to one of {known}",)
    return Machine(
        name=target.gpu or target.where,
        ram_mib=None if target.memory_gib is None else max(0, int(target.memory_gib * GIB) - HOST_RESERVE_MIB),
        disk_mib=None if target.disk_gib is None else int(target.disk_gib * GIB),
        gpu_name=target.gpu,
        gpu=gpu,
        gpus=target.gpus,
        unknown=unknown,
    )


def _node(pool_name: str, pool: Pool) -> Machine:
    size = hardware().vm_sizes.get(pool.vm_size)
    if size is None:
        reason = f"vm_size {pool.vm_size} of pool '{pool_name}' is not in the catalogue, so nothing is known of it"
        return Machine(
            name=pool.vm_size, gpus=pool.gpus, unknown=(f"{reason} — choose one of {', '.join(hardware().vm_sizes)}",)
        )
    node = of_vm_size(pool.vm_size, size)
    if pool.mig is None or node.gpu is None or pool.mig_profile is None:
        return node
    # An engine gets one instance, whatever the node has: instances of one card cannot work together.
    name = f"{pool.vm_size} ({pool.mig.profile})"
    return node.model_copy(update={"name": name, "gpu": node.gpu.instance(pool.mig_profile), "gpus": 1})
