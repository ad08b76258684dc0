"""What it costs, and what of that nobody uses."""

from __future__ import annotations

from components.monitoring.dashboards.model import Page, Panel, Query, Row
from components.monitoring.rules.alerts_hosts import GPU

ABOUT_PRICES = Panel(
    title="Which prices these are",
    about="An engine's price is its share of a node's: of the GPUs, or of the memory without one. Prices are those of"
    " the stack file, or of the dated price list. Where a price is not known there is no series: it never counts as"
    " zero. A machine of your own has no price. Disks, load balancers, logs and traffic are not counted.",
    shape="text",
    width=24,
    height=4,
)


def cost() -> Page:
    """US dollars of each engine, for tokens and for doing nothing."""
    return Page(
        uid="slm-cost",
        title="Cost",
        about="What each engine costs, for its tokens and for doing nothing.",
        since="now-24h",
        rows=(Row(title="Cost", panels=_panels()), Row(title="Prices", panels=(ABOUT_PRICES,))),
    )


def _panels() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Cost an hour",
            about="Of the copies that run.",
            unit="currencyUSD",
            queries=(Query(expr="slm:usd_per_hour", legend="{{engine}}"),),
            low=0,
            stacked=True,
        ),
        Panel(
            title="Cost so far",
            about="Over the time shown.",
            shape="stat",
            unit="currencyUSD",
            queries=(Query(expr="sum_over_time(slm:usd_per_hour[$__range:1m]) / 60", legend="{{engine}}", now=True),),
        ),
        Panel(
            title="Cost of a million tokens",
            about="By the tokens of the last hour. An engine that does little is dear.",
            unit="currencyUSD",
            queries=(Query(expr="slm:cost_per_million_tokens", legend="{{engine}}"),),
            low=0,
        ),
        Panel(
            title="Tokens in the time shown",
            about="Made by each engine.",
            shape="stat",
            queries=(
                Query(expr="sum_over_time(slm:tokens_out:rate5m[$__range:1m]) * 60", legend="{{engine}}", now=True),
            ),
            width=12,
        ),
        Panel(
            title="GPUs that do nothing",
            about="Used less than 5 % in the last two hours: paid for all the same.",
            queries=(Query(expr=f"avg_over_time(DCGM_FI_DEV_GPU_UTIL{{{GPU}}}[2h]) < bool 5", legend="GPU {{gpu}}"),),
            low=0,
            width=12,
            runbooks=("GpuIdle",),
        ),
    )
