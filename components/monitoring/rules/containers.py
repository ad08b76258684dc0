"""Memory, processors and restarts of containers, and what an engine costs (pure)."""

from __future__ import annotations

from components.monitoring.rules.expressions import BY_ENGINE, CONTAINER, described
from components.monitoring.rules.rule import Group, Record

SECONDS_PER_HOUR = 3600
MILLION = 1_000_000


def containers() -> Group:
    """Series of each workload from cAdvisor, those of the engines with their labels, and the cost of a million tokens.

    Of several copies, memory is the fullest one's.
    """
    memory = f"max by (workload) (container_memory_working_set_bytes{{{CONTAINER}}})"
    started = f"max by (workload) (container_start_time_seconds{{{CONTAINER}}})"
    rate = f"sum by (workload) (rate(container_cpu_usage_seconds_total{{{CONTAINER}}}[5m]))"
    throttled = f"sum by (workload) (rate(container_cpu_cfs_throttled_periods_total{{{CONTAINER}}}[5m]))"
    periods = f"sum by (workload) (rate(container_cpu_cfs_periods_total{{{CONTAINER}}}[5m]))"
    limit = f"min by (workload) (container_spec_memory_limit_bytes{{{CONTAINER}}} > 0)"
    return Group(
        name="containers",
        rules=(
            Record(name="slm:workload_memory_bytes", expr=memory),
            Record(name="slm:workload_cpus:rate5m", expr=rate),
            Record(name="slm:workload_throttled:ratio_rate5m", expr=f"{throttled} / ({periods} > 0)"),
            Record(name="slm:workload_limit_seen_bytes", expr=limit),
            Record(name="slm:workload_memory:ratio", expr="slm:workload_memory_bytes / slm:workload_limit_seen_bytes"),
            # Of the latest copy: a container that takes another's place is a start as well.
            Record(name="slm:workload_restarts:count15m", expr=f"changes(({started})[15m:30s])"),
            Record(name="slm:workload_restarts:count3m", expr=f"changes(({started})[3m:15s])"),
            Record(name="slm:memory_bytes", expr=described(_of_engine("slm:workload_memory_bytes"))),
            Record(name="slm:memory_limit_bytes", expr=described(_of_engine("slm:workload_memory_limit_bytes"))),
            Record(
                name="slm:usd_per_hour",
                expr="slm:copy_usd_per_hour * on (engine) group_left () sum by (engine) (slm:copies_up)",
            ),
            Record(
                name="slm:cost_per_million_tokens",
                expr=f"sum {BY_ENGINE} (slm:usd_per_hour)"
                f" / (slm:tokens_out:rate1h * {SECONDS_PER_HOUR} > 0) * {MILLION}",
            ),
        ),
    )


def _of_engine(vector: str) -> str:
    return f'sum by (engine) (label_replace({vector}, "engine", "$1", "workload", "(.+)"))'
