"""What AKS refuses of a node pool, whether it stands in the cluster or is a resource of its own (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rehearsal.providers.azure.failures import Failure, did_you_mean
from rehearsal.providers.azure.rules.names import name_failure
from rehearsal.providers.azure.values import Properties, known
from rehearsal.providers.azure.vm_sizes import Size, retired, size_of, sizes

SPOT_TAINT = "kubernetes.azure.com/scalesetpriority=spot:NoSchedule"
_MAX_NODES = 1000
_TAINT = re.compile(r"^[A-Za-z0-9][\w./-]{0,316}(=[\w.-]{0,63})?:(NoSchedule|PreferNoSchedule|NoExecute)$")
_LABEL_VALUE = re.compile(r"^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$")
_RESERVED_PREFIXES = ("kubernetes.azure.com/", "kubernetes.io/", "k8s.io/")
_RESERVED_BUT_ALLOWED = ("kubernetes.azure.com/scalesetpriority",)


def agent_pool(inputs: Properties) -> Iterator[Failure]:
    """A pool that is a resource of its own."""
    yield from pool_failures(inputs, "")


def pool_failures(pool: Properties, path: str) -> Iterator[Failure]:
    """A pool whose properties stand at `path` (empty, or `agentPoolProfiles[0].`)."""
    for check in (_name, _size, _scaling, _system, _spot, _gpu, _disk, _labels_and_taints):
        for failure in check(pool):
            yield Failure(f"{path}{failure.path}", failure.reason)


def invalid(parameter: str, why: str) -> str:
    """AKS' sentence for a parameter it does not take."""
    return f"The value of parameter agentPoolProfile.{parameter} is invalid (InvalidParameter). Error details: {why}"


def _name(pool: Properties) -> Iterator[Failure]:
    for path in ("name", "agentPoolName"):
        if isinstance(name := known(pool, path), str):
            yield from name_failure("containerservice:AgentPool", name, path)


def _size(pool: Properties) -> Iterator[Failure]:
    if "vmSize" not in pool:
        yield Failure("vmSize", invalid("vmSize", "a pool needs a VM size."))
        return
    name = known(pool, "vmSize")
    if not isinstance(name, str) or size_of(name):
        return
    if date := retired(name):
        yield Failure("vmSize", f"The VM size {name} was retired on {date} and cannot be created any more.")
        return
    hint = did_you_mean(name, (size.name for size in sizes().values()))
    yield Failure("vmSize", f"The VM size of {name} is not known to this simulation{hint or ' (vm_sizes.toml)'}")


def _scaling(pool: Properties) -> Iterator[Failure]:
    automatic = known(pool, "enableAutoScaling")
    count, low, high = (known(pool, path) for path in ("count", "minCount", "maxCount"))
    for path, value in (("count", count), ("minCount", low), ("maxCount", high)):
        if _is_number(value) and not 0 <= value <= _MAX_NODES:
            yield Failure(path, invalid(path, f"{value} is not between 0 and {_MAX_NODES}."))
    if automatic is not True:
        for path in ("minCount", "maxCount"):
            if path in pool and automatic is None and "enableAutoScaling" in pool:
                continue  # Not known yet.
            if path in pool:
                yield Failure(path, invalid(path, f"{path} is only for pools with enableAutoScaling."))
        return
    missing = [path for path in ("minCount", "maxCount") if path not in pool]
    for path in missing:
        yield Failure(path, invalid(path, f"a pool with enableAutoScaling needs {path}."))
    if _is_number(low) and _is_number(high) and low > high:
        yield Failure("minCount", invalid("minCount", f"minCount {low} is above maxCount {high}."))
    elif _is_number(count) and _is_number(low) and _is_number(high) and not low <= count <= high:
        yield Failure("count", invalid("count", f"count {count} is not between minCount {low} and maxCount {high}."))


def _system(pool: Properties) -> Iterator[Failure]:
    if known(pool, "mode") != "System":
        return
    for path in ("count", "minCount"):
        if known(pool, path) == 0:
            yield Failure(path, invalid(path, "a system pool has at least one node."))
    if known(pool, "osType") == "Windows":
        yield Failure("osType", invalid("osType", "a system pool runs Linux."))
    size = _known_size(pool)
    if size and (size.vcpus < 2 or size.memory_gib < 4):
        yield Failure("vmSize", "System node pool must use VM sku with at least 2 cores and 4GB memory.")


def _spot(pool: Properties) -> Iterator[Failure]:
    if known(pool, "scaleSetPriority") != "Spot":
        for path in ("scaleSetEvictionPolicy", "spotMaxPrice"):
            if path in pool and not ("scaleSetPriority" in pool and known(pool, "scaleSetPriority") is None):
                yield Failure(path, invalid(path, f"{path} is only for pools whose scaleSetPriority is Spot."))
        return
    if known(pool, "mode") == "System":
        yield Failure("mode", invalid("mode", "a spot pool cannot be a system pool; its mode is User."))
    if "scaleSetEvictionPolicy" not in pool:
        # Azure would take Delete; which of the two it is decides what an evicted node leaves behind and costs.
        yield Failure(
            "scaleSetEvictionPolicy", invalid("scaleSetEvictionPolicy", "a spot pool says Delete or Deallocate.")
        )
    price = known(pool, "spotMaxPrice")
    if _is_number(price) and price <= 0 and price != -1:
        yield Failure("spotMaxPrice", invalid("spotMaxPrice", "it is -1 (up to the regular price) or above zero."))
    for name in ("maxSurge", "maxUnavailable"):
        if known(pool, f"upgradeSettings.{name}") is not None:
            yield Failure(
                f"upgradeSettings.{name}", invalid(f"upgradeSettings.{name}", f"Spot pools can't set {name}.")
            )


def _gpu(pool: Properties) -> Iterator[Failure]:
    size = _known_size(pool)
    if not size:
        return
    if (profile := known(pool, "gpuInstanceProfile")) and not size.mig:
        why = (
            f"{profile} divides a GPU that can be divided (A100, H100, H200), and {size.name} has {size.gpu or 'none'}."
        )
        yield Failure("gpuInstanceProfile", invalid("gpuInstanceProfile", why))
    if known(pool, "gpuProfile") and not size.gpus:
        yield Failure("gpuProfile", invalid("gpuProfile", f"{size.name} has no GPU."))


def _disk(pool: Properties) -> Iterator[Failure]:
    size = _known_size(pool)
    if not size or known(pool, "osDiskType") != "Ephemeral" or size.local_disk_gib is None:
        return
    if "osDiskSizeGB" in pool and known(pool, "osDiskSizeGB") is None:
        return
    wanted = known(pool, "osDiskSizeGB") or 128  # AKS' own choice where none is stated.
    if _is_number(wanted) and wanted > size.local_disk_gib:
        why = (
            f"The virtual machine size {size.name} has a cache size of {int(size.local_disk_gib * 2**30)} bytes, but "
            f"the OS disk requires {wanted * 2**30} bytes (VMCacheSizeTooSmall). Use a VM size with larger cache or "
            "disable ephemeral OS."
        )
        yield Failure("osDiskType", why)


def _labels_and_taints(pool: Properties) -> Iterator[Failure]:
    for key, value in (known(pool, "nodeLabels") or {}).items():
        if key.startswith(_RESERVED_PREFIXES) and key not in _RESERVED_BUT_ALLOWED:
            yield Failure(
                "nodeLabels", invalid("nodeLabels", f"the prefix of label '{key}' is reserved for the system.")
            )
        if isinstance(value, str) and not _LABEL_VALUE.match(value):
            yield Failure("nodeLabels", invalid("nodeLabels", f"'{value}' is no value of a label."))
    for index, taint in enumerate(known(pool, "nodeTaints") or ()):
        if isinstance(taint, str) and not _TAINT.match(taint):
            why = f"'{taint}' is no taint; write key=value:NoSchedule."
            yield Failure(f"nodeTaints[{index}]", invalid("nodeTaints", why))


def _known_size(pool: Properties) -> Size | None:
    name = known(pool, "vmSize")
    return size_of(name) if isinstance(name, str) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
