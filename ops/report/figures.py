"""What a report shows: its plots and the columns of its table, each with its query (pure)."""

from __future__ import annotations

from components.monitoring.rules.expressions import BACKEND, described, per_engine
from components.workload import Value


class Figure(Value):
    """A plot with a line for each engine. `compared` is what it is held against, drawn dashed.

    `missing` says why there may be nothing to draw. `scale` is what the values are divided by for `unit`.
    """

    title: str
    about: str
    unit: str
    query: str
    compared: str | None = None
    compared_as: str = ""
    missing: str = "There are no figures of that time."
    scale: float = 1


class Column(Value):
    """A column of the table of engines. `form` is how Python writes its values; DURATION stands for the time shown."""

    title: str
    query: str
    form: str = "{:,.0f}"
    scale: float = 1


GIB = 2**30


def _answered(codes: str) -> str:
    # Its counters themselves: a rate of five minutes does not yet have all of the last five.
    counted = f"increase(haproxy_backend_http_responses_total{{{BACKEND},{codes}}}[DURATION])"
    return f"sum by (engine) ({described(per_engine(counted))})"


FIGURES = (
    Figure(
        title="Requests",
        about="Answered requests of each engine, as the gateway counts them.",
        unit="a second",
        query="sum by (engine) (slm:requests:rate5m)",
    ),
    Figure(
        title="Errors",
        about="Requests answered by a server error (5xx).",
        unit="a second",
        query="sum by (engine) (slm:errors:rate5m)",
    ),
    Figure(
        title="Time to the first token (p95)",
        about="95 of 100 answers began sooner. Measured inside the engine: the gateway's queue comes on top.",
        unit="seconds",
        query="max by (engine) (slm:ttft_seconds:p95)",
        compared="slm:objective_first_token_seconds",
        compared_as="objective",
        missing="No engine of this stack measures it, or none was asked: vLLM and our ONNX server do.",
    ),
    Figure(
        title="Time to the first byte",
        about="The gateway's mean of the last 1024 answers, for every kind of engine; of answers that are not streamed"
        " it is the whole time.",
        unit="seconds",
        query="max by (engine) (slm:first_byte_seconds:mean)",
    ),
    Figure(
        title="Tokens made",
        about="Of all answers together.",
        unit="a second",
        query="sum by (engine) (slm:tokens_out:rate5m)",
        missing="No engine of this stack counts its tokens: Ollama and external ones do not.",
    ),
    Figure(
        title="Queue",
        about="Requests that waited, in the gateway and in the engine together.",
        unit="requests",
        query="sum by (engine) (slm:requests_waiting)",
    ),
    Figure(
        title="Key-value cache",
        about="How full it was. Full while requests wait is what limits an engine.",
        unit="%",
        query="100 * max by (engine) (slm:kv_cache_ratio)",
        missing="No engine of this stack tells it: vLLM and our ONNX server do.",
    ),
    Figure(
        title="Memory",
        about="Of the fullest copy, and what sizing predicted.",
        unit="GiB",
        query="max by (engine) (slm:memory_bytes)",
        compared="max by (engine) (slm:memory_predicted_bytes)",
        compared_as="predicted",
        missing="No engine runs here, or its containers are not watched.",
        scale=GIB,
    ),
    Figure(
        title="Cost",
        about="Price of what each engine occupies.",
        unit="USD an hour",
        query="sum by (engine) (slm:usd_per_hour)",
        missing="No price is known for where this stack runs: a machine of your own has none.",
    ),
)

COLUMNS = (
    Column(title="answering", query="100 * avg_over_time(slm:up[DURATION])", form="{:.1f} %"),
    Column(title="requests", query=_answered('code!=""')),
    Column(title="errors", query=_answered('code="5xx"')),
    Column(title="tokens", query="sum by (engine) (sum_over_time(slm:tokens_out:rate5m[DURATION:1m])) * 60"),
    Column(
        title="slowest p95 of the first token",
        query="max by (engine) (max_over_time(slm:ttft_seconds:p95[DURATION]))",
        form="{:.2f} s",
    ),
    Column(title="longest queue", query="max by (engine) (max_over_time(slm:requests_waiting[DURATION]))"),
    Column(
        title="most memory",
        query="max by (engine) (max_over_time(slm:memory_bytes[DURATION]))",
        form="{:.2f} GiB",
        scale=GIB,
    ),
    Column(
        title="memory predicted", query="max by (engine) (slm:memory_predicted_bytes)", form="{:.2f} GiB", scale=GIB
    ),
    Column(
        title="cost",
        query="sum by (engine) (sum_over_time(slm:usd_per_hour[DURATION:1m])) / 60",
        form="{:,.2f} USD",
    ),
)

ALERTS = (
    "sum by (alertname, severity, engine, workload, instance)"
    ' (sum_over_time(ALERTS{alertstate="firing",alertname!="Watchdog"}[DURATION:1m]))'
)
"""Minutes that each alert fired."""


FIRST = 'min(prometheus_tsdb_lowest_timestamp_seconds{job="prometheus"})'
"""Since when figures are kept, in seconds since 1970."""


def over(query: str, hours: int) -> str:
    """The query for the time that is shown."""
    return query.replace("DURATION", f"{hours}h")
