"""What a stack costs before anything is spent: per pool at its least and most nodes, and what nobody uses (pure).

A price that is not known stays unknown: it never counts as zero, and every sum that lacks one says "at least".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from pydantic import Field

from components.catalog.hardware import hardware
from components.catalog.prices import LIST_REGION, prices
from components.engines.base import EngineBase
from components.targets.spec import Aks, TargetSpec
from components.workload import Value

HOURS = 730
"""Hours of an average month."""

NOT_COUNTED = "disks, load balancers, NAT gateway, private addresses, vault, registry, logs, monitoring, traffic"
"""What else Azure charges for a cluster, by size and use."""


class Described(Protocol):
    """What pricing needs of a stack's settings."""

    @property
    def hosted(self) -> Mapping[str, EngineBase]: ...

    @property
    def targets(self) -> Mapping[str, TargetSpec]: ...


class Price(Value):
    """US dollars an hour, and the region they were read for; `usd` None: not known. A stack's own has no region."""

    usd: float | None = None
    region: str | None = None

    def text(self, region: str) -> str:
        """As people read it in a stack of `region`: "0.53 an hour", "about 0.53 an hour (eastus)", "unknown"."""
        if self.usd is None:
            return "unknown"
        if self.region in (None, region):
            return f"{self.usd:.2f} an hour"
        return f"about {self.usd:.2f} an hour ({self.region})"


class PoolCost(Value):
    """One pool: what a node costs, how many there are, and how many of its GPUs no engine can ask for.

    `gpus` and `used` count what engines can ask for (GPUs, or instances of cut ones) with all nodes there.
    """

    name: str
    vm_size: str
    node: Price
    min_nodes: int
    max_nodes: int
    spot: bool = False
    gpus: int = Field(0, ge=0)
    used: int = Field(0, ge=0)

    @property
    def idle_share(self) -> float | None:
        """The share of its GPUs that no engine uses when all nodes are there; None for a pool without GPUs."""
        return 1 - min(self.used, self.gpus) / self.gpus if self.gpus else None

    @property
    def least(self) -> float | None:
        """US dollars an hour with the fewest nodes; 0 for no node, None where the price is not known."""
        return self._cost(self.min_nodes)

    @property
    def most(self) -> float | None:
        """US dollars an hour with all nodes; None where the price is not known."""
        return self._cost(self.max_nodes)

    def _cost(self, nodes: int) -> float | None:
        if nodes == 0:
            return 0.0
        return None if self.node.usd is None else self.node.usd * nodes


class ClusterCost(Value):
    """A cluster: its tier's price and its pools."""

    target: str
    region: str
    tier: str
    tier_usd: float | None
    pools: tuple[PoolCost, ...]

    @property
    def unknown(self) -> tuple[str, ...]:
        """What has no price, in words."""
        tier = [f"tier {self.tier}"] if self.tier_usd is None else []
        sizes = {f"{'spot ' if p.spot else ''}{p.vm_size}": None for p in self.pools if p.node.usd is None}
        return (*tier, *sizes)

    @property
    def approximate(self) -> tuple[str, ...]:
        """VM sizes whose price is another region's."""
        other = (p.vm_size for p in self.pools if p.node.region not in (None, self.region))
        return tuple(dict.fromkeys(other))

    def total(self, at_most: bool) -> float:
        """US dollars an hour of everything whose price is known, with all nodes or with the fewest."""
        parts = [self.tier_usd, *((p.most if at_most else p.least) for p in self.pools)]
        return sum(part for part in parts if part is not None)

    def missing(self, at_most: bool) -> bool:
        """Whether a price is missing in `total`."""
        parts = [self.tier_usd, *((p.most if at_most else p.least) for p in self.pools)]
        return any(part is None for part in parts)

    def month(self, at_most: bool) -> str:
        """The total of a month in words: "1,234 USD a month", or "at least …"."""
        figure = f"{self.total(at_most) * HOURS:,.0f} USD a month"
        return f"at least {figure}" if self.missing(at_most) else figure

    @property
    def summary(self) -> str:
        """One line for a preview."""
        least, most = self.month(at_most=False), self.month(at_most=True)
        text = f"target '{self.target}' costs {least} with the fewest nodes and {most} with all of them"
        text += f" (price of {' and '.join(self.unknown)} unknown)" if self.unknown else ""
        return f"{text}; not counted: {NOT_COUNTED}"


def own_prices(settings: object) -> Mapping[str, float]:
    """The prices a stack states itself, US dollars an hour by VM size."""
    return getattr(settings, "prices", None) or {}


def price_of(vm_size: str, region: str, own: Mapping[str, float], *, spot: bool = False) -> Price:
    """The price of one node: the stack's own, its region's, or another region's, in this order.

    Nobody knows the price of a spot node beforehand, so only the stack can state it (`SIZE/spot`).
    """
    if spot:
        return Price(usd=own.get(f"{vm_size}/spot"))
    if vm_size in own:
        return Price(usd=own[vm_size])
    listed = prices().vm.get(vm_size, {})
    for where in (region, LIST_REGION, *listed):
        if where in listed:
            return Price(usd=listed[where], region=where)
    return Price()


def comparable(vm_sizes: Iterable[str], region: str, own: Mapping[str, float]) -> tuple[dict[str, float | None], str]:
    """Prices by which these sizes can be ordered, all of one region, with that region; the stack's own come first.

    The stack's region if it knows them all; otherwise whichever knows the most, because prices of two regions do not
    say which of two sizes is cheaper.
    """
    names, table = list(vm_sizes), prices().vm
    known = dict.fromkeys((region, LIST_REGION, *(where for row in table.values() for where in row)))
    best = max(known, key=lambda where: sum(where in table.get(name, {}) for name in names))
    return {name: own.get(name, table.get(name, {}).get(best)) for name in names}, best


def cluster_cost(name: str, target: Aks, settings: Described, own: Mapping[str, float] | None = None) -> ClusterCost:
    """What a cluster costs whose pools have VM sizes already (see sizing.auto.resolved)."""
    stated = own_prices(settings) if own is None else own
    used: dict[str, int] = {}
    for engine in settings.hosted.values():
        pool = target.pool_for(engine.gpus) if engine.target == name else None
        if pool and engine.gpus:
            used[pool] = used.get(pool, 0) + engine.gpus * engine.most_copies
    return ClusterCost(
        target=name,
        region=target.location,
        tier=target.tier,
        tier_usd=prices().tier.get(target.tier),
        pools=tuple(
            PoolCost(
                name=pool_name,
                vm_size=pool.vm_size,
                node=price_of(pool.vm_size, target.location, stated, spot=pool.spot),
                min_nodes=pool.min_nodes,
                max_nodes=pool.max_nodes,
                spot=pool.spot,
                gpus=pool.offered * pool.max_nodes,
                used=used.get(pool_name, 0),
            )
            for pool_name, pool in target.pools.items()
        ),
    )


def unknown_sizes(own: Mapping[str, float]) -> list[str]:
    """Names in a stack's own prices that are no VM size of the catalogue: most likely misspelt."""
    return [name for name in own if name.removesuffix("/spot") not in hardware().vm_sizes]
