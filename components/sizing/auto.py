"""`vm_size: auto`: the cheapest VM size that fits what runs on a pool, and why it is that one (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from components.catalog.hardware import VmSize, hardware
from components.engines.base import EngineBase
from components.gateway import Gateway
from components.models import Model
from components.pricing import comparable, own_prices
from components.sizing.machine import for_pod, of_vm_size
from components.sizing.verdict import Answer, judge
from components.targets.spec import AUTO, Aks, Pool, TargetSpec
from components.webui import WebUi
from components.workload import Value

SYSTEM_VCPUS = 4
"""Microsoft's advice for nodes of a system pool; fewer are busy with the cluster's own programs alone."""

RANK: tuple[Answer, ...] = ("fit", "tight")


class Described(Protocol):
    """What the choice needs of a stack's settings."""

    @property
    def hosted(self) -> Mapping[str, EngineBase]: ...

    @property
    def targets(self) -> Mapping[str, TargetSpec]: ...

    @property
    def gateway(self) -> Gateway: ...

    @property
    def webui(self) -> WebUi | None: ...

    def model_of(self, engine: str) -> Model: ...


class Choice(Value):
    """The VM size of one pool that left it open, with the reason in one sentence."""

    pool: str
    vm_size: str
    reason: str


def choices(settings: Described, target_name: str) -> tuple[Choice, ...]:
    """One choice for each pool of a target with `vm_size: auto`; none for targets of other kinds."""
    target = settings.targets[target_name]
    if not isinstance(target, Aks):
        return ()
    return tuple(
        _choose(settings, target_name, target, name, pool)
        for name, pool in target.pools.items()
        if pool.vm_size == AUTO
    )


def resolved(settings: Described, target_name: str) -> TargetSpec:
    """The target with a VM size for every pool; the same object when nothing was left open."""
    target, chosen = settings.targets[target_name], choices(settings, target_name)
    if not isinstance(target, Aks) or not chosen:
        return target
    sizes = {choice.pool: choice.vm_size for choice in chosen}
    pools = {
        name: pool.model_copy(update={"vm_size": sizes[name]}) if name in sizes else pool
        for name, pool in target.pools.items()
    }
    return target.model_copy(update={"pools": pools})


def _choose(settings: Described, target_name: str, target: Aks, name: str, pool: Pool) -> Choice:
    engines = {
        key: engine
        for key, engine in settings.hosted.items()
        if engine.target == target_name and target.pool_for(engine.gpus) == name
    }
    sizes = {key: size for key, size in hardware().vm_sizes.items() if size.gpus == pool.gpus}
    answers = {key: _answer(settings, target, name, engines, key, size) for key, size in sizes.items()}
    fitting = [key for key, answer in answers.items() if answer in RANK]
    price, region = comparable(fitting, target.location, own_prices(settings))
    ranked = sorted(
        fitting, key=lambda key: (answers[key] != "fit", price[key] is None, price[key] or 0.0, *_bulk(key))
    )
    for_whom = ", ".join(engines) or ("the cluster's own programs" if pool.mode == "system" else "what has no GPU")
    if not ranked:
        largest = max(sizes, key=_bulk)
        reason = f"pool '{name}': no size fits {for_whom}; judged on the largest, {largest}"
        return Choice(pool=name, vm_size=largest, reason=reason)
    first, *others = ranked
    reason = f"pool '{name}': {first}{_at(price[first], region)} is the cheapest that fits {for_whom}"
    if price[first] is None:
        reason = f"pool '{name}': {first} fits {for_whom}; no price of any size that fits is known"
    elif others and price[others[0]] is not None:
        reason += f", before {others[0]}{_at(price[others[0]], region)}"
    if unpriced := [key for key in others if price[key] is None]:
        reason += f"; nobody knows what {', '.join(unpriced)} would cost"
    return Choice(pool=name, vm_size=first, reason=reason)


def _answer(
    settings: Described, target: Aks, name: str, engines: Mapping[str, EngineBase], vm_size: str, size: VmSize
) -> Answer:
    """The worst verdict of what runs on a pool, each alone on a node: nodes are added for the others."""
    node = of_vm_size(vm_size, size)
    found: list[Answer] = [
        judge(engine, settings.model_of(key), for_pod(node, engine)).answer for key, engine in engines.items()
    ]
    if name == target.general_name:
        page = settings.webui
        memory = max(settings.gateway.memory_mib, page.memory_mib if page else 0)
        found.append("fit" if memory <= (node.ram_mib or 0) and settings.gateway.cpus <= size.vcpus else "misfit")
    if target.pools[name].mode == "system":
        found.append("fit" if size.vcpus >= SYSTEM_VCPUS else "misfit")
    return max(found, key=("fit", "tight", "unknown", "misfit").index, default="fit")


def _bulk(vm_size: str) -> tuple[int, int, str]:
    size = hardware().vm_sizes[vm_size]
    vram = hardware().gpus[size.gpu].usable_mib * size.gpus if size.gpu else 0
    return vram, size.memory_gib, vm_size


def _at(usd: float | None, region: str) -> str:
    return "" if usd is None else f" ({usd:.2f} USD an hour in {region})"
