"""Logs beside metrics of the same time."""

from __future__ import annotations

from components.monitoring.dashboards.gateway import API, LINES
from components.monitoring.dashboards.model import Choice, Page, Panel, Query, Row

WORKLOAD = Choice(name="workload", title="Workload", series="slm:workload_memory_bytes", label="workload")


def logs() -> Page:
    """Failed requests with their ids, who changed the stack, and one workload's lines beside its memory and starts."""
    return Page(
        uid="slm-logs",
        title="Logs",
        about="What was written when a figure was bad. No prompt is in it unless the stack file says why.",
        choices=(WORKLOAD,),
        rows=(
            Row(
                title="Requests",
                panels=(
                    Panel(
                        title="Answers by status (from the log)",
                        about="To be compared with the gateway's own figures: they differ when lines are lost.",
                        unit="cps",
                        logs=True,
                        queries=(Query(expr=f"sum by (status) (rate({LINES} [5m]))", legend="{{status}}"),),
                        low=0,
                        width=12,
                        runbooks=("LogsDoNotArrive",),
                    ),
                    Panel(
                        title="Answers by status (figures)",
                        about="As the gateway counts them.",
                        unit="reqps",
                        queries=(
                            Query(
                                expr=f"sum by (code) (rate(haproxy_frontend_http_responses_total{{{API}}}[5m]))",
                                legend="{{code}}",
                            ),
                        ),
                        low=0,
                        width=12,
                    ),
                    Panel(
                        title="Requests that failed",
                        about="Server errors, with the id that client (X-Request-Id) and engine have as well.",
                        shape="logs",
                        logs=True,
                        queries=(Query(expr=f"{LINES} | status >= 500"),),
                        width=24,
                        height=10,
                        runbooks=("ErrorBudgetBurn",),
                    ),
                ),
            ),
            Row(
                title="Changes",
                panels=(
                    Panel(
                        title="Commands that changed the stack",
                        about="Who did what and how it ended, as each machine noted it. A beginning without an end is"
                        " at work, or was killed.",
                        shape="logs",
                        logs=True,
                        queries=(Query(expr='{workload="audit"}'),),
                        width=24,
                        height=6,
                    ),
                ),
            ),
            Row(
                title="One workload",
                panels=(
                    Panel(
                        title="Memory",
                        about="Used and allowed, for the same time.",
                        unit="bytes",
                        queries=(
                            Query(expr='slm:workload_memory_bytes{workload="$workload"}', legend="used"),
                            Query(expr='slm:workload_limit_seen_bytes{workload="$workload"}', legend="limit"),
                        ),
                        low=0,
                        height=6,
                    ),
                    Panel(
                        title="Starts",
                        about="In the fifteen minutes before.",
                        queries=(Query(expr='slm:workload_restarts:count15m{workload="$workload"}', legend="starts"),),
                        low=0,
                        height=6,
                        runbooks=("WorkloadRestarted",),
                    ),
                    Panel(
                        title="Lines",
                        about="How much it writes.",
                        unit="Bps",
                        logs=True,
                        queries=(
                            Query(expr='sum by (stream) (bytes_rate({workload="$workload"}[5m]))', legend="{{stream}}"),
                        ),
                        low=0,
                        height=6,
                        runbooks=("LogFlood",),
                    ),
                    Panel(
                        title="Its log",
                        about="Everything it wrote.",
                        shape="logs",
                        logs=True,
                        queries=(Query(expr='{workload="$workload"}'),),
                        width=24,
                        height=14,
                    ),
                ),
            ),
        ),
    )
