"""What a stack costs, for `make check`: every pool with its fewest and all its nodes, an hour and a month."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from components.catalog.prices import prices
from components.pricing import HOURS, ClusterCost, PoolCost, own_prices, unknown_sizes
from components.settings import Settings
from components.sizing.auto import choices
from components.sizing.cost import costs


def cost_tables(settings: Settings) -> Iterator[Table | str]:
    """A table for each cluster, then the sentences that belong to it."""
    for cost in costs(settings):
        yield _table(cost)
        yield cost.summary
        listed = (
            f"prices: Linux, pay as you go, without discounts and taxes, read {prices().read}; slm:prices overrides"
        )
        if cost.approximate:
            listed += f"; of another region: {', '.join(cost.approximate)}"
        yield listed
    for name in settings.targets:
        yield from (choice.reason for choice in choices(settings, name))
    if strange := unknown_sizes(own_prices(settings)):
        yield f"slm:prices names {', '.join(strange)}, which no pool can be of: misspelt?"


def _table(cost: ClusterCost) -> Table:
    table = Table(title=f"cost of '{cost.target}' in {cost.region}, USD")
    for heading in ("pool", "node", "USD", "nodes", "an hour", "a month", "GPUs idle"):
        table.add_column(heading, overflow="fold")
    tier = "unknown" if cost.tier_usd is None else f"{cost.tier_usd:.2f} an hour"
    table.add_row("cluster", f"tier {cost.tier}", tier, "", _span(cost.tier_usd, cost.tier_usd), _month(cost), "")
    for pool in cost.pools:
        table.add_row(
            pool.name,
            f"{pool.vm_size}{', spot' if pool.spot else ''}",
            pool.node.text(cost.region),
            f"{pool.min_nodes}-{pool.max_nodes}",
            _span(pool.least, pool.most),
            _span(pool.least, pool.most, HOURS),
            _idle(pool),
        )
    table.add_section()
    missing = "at least " if cost.missing(at_most=True) else ""
    least, most = cost.total(at_most=False), cost.total(at_most=True)
    table.add_row("all", "", "", "", f"{missing}{_span(least, most)}", f"{missing}{_span(least, most, HOURS)}", "")
    return table


def _month(cost: ClusterCost) -> str:
    return _span(cost.tier_usd, cost.tier_usd, HOURS)


def _span(least: float | None, most: float | None, times: int = 1) -> str:
    """With the fewest nodes and with all, or one figure where they are the same."""
    low, high = _figure(least, times), _figure(most, times)
    return low if low == high else f"{low} to {high}"


def _figure(usd: float | None, times: int) -> str:
    if usd is None:
        return "unknown"
    return f"{usd * times:,.0f}" if times > 1 else f"{usd:.2f}"


def _idle(pool: PoolCost) -> str:
    if pool.idle_share is None:
        return ""
    return f"{pool.idle_share:.0%} ({pool.gpus - min(pool.used, pool.gpus)} of {pool.gpus})"
