"""All engines side by side, in one vocabulary."""

from __future__ import annotations

from components.monitoring.dashboards.model import Page, Panel, Query, Row

WHAT_IS_MISSING = Panel(
    title="What an engine does not tell",
    about="""Series exist where the engine measures them.

| | vLLM | ONNX | llama.cpp | Ollama | external |
|---|---|---|---|---|---|
| requests, errors, queue, first byte | gateway | gateway | gateway | gateway | gateway |
| running requests | engine | engine | engine | gateway | gateway |
| tokens | engine | engine | engine | no | no |
| time to the first token | histogram | histogram | no | no | no |
| time between tokens | histogram | histogram | mean | no | no |
| key-value cache | engine | engine | no | no | no |
| loaded models | engine | engine | engine | exporter | no |
| memory | container | container | container | container | no |
""",
    shape="text",
    width=24,
    height=9,
)


def comparison() -> Page:
    """Speed, room and cost of each engine."""
    return Page(
        uid="slm-comparison",
        title="Engines compared",
        about="Speed, room and cost of each engine side by side.",
        rows=(
            Row(title="Speed", panels=_speed()),
            Row(title="Work", panels=_work()),
            Row(title="Room and cost", panels=_room()),
            Row(title="Read this before you compare", panels=(WHAT_IS_MISSING,), closed=True),
        ),
    )


def _by_engine(title: str, about: str, unit: str, expr: str, *more: Query, **rest: object) -> Panel:
    query = Query(expr=expr, legend="{{engine}} ({{kind}})")
    return Panel.model_validate(
        {"title": title, "about": about, "unit": unit, "queries": (query, *more), "low": 0, **rest}
    )


def _speed() -> tuple[Panel, ...]:
    return (
        _by_engine("First token, median", "Half of the answers begin sooner.", "s", "slm:ttft_seconds:p50"),
        _by_engine("First token, p95", "95 of 100 answers begin sooner.", "s", "slm:ttft_seconds:p95"),
        _by_engine("First token, p99", "99 of 100 answers begin sooner.", "s", "slm:ttft_seconds:p99"),
        _by_engine("Between tokens, median", "Half of the tokens come sooner.", "s", "slm:inter_token_seconds:p50"),
        _by_engine("Between tokens, p95", "95 of 100 tokens come sooner.", "s", "slm:inter_token_seconds:p95"),
        _by_engine("Between tokens, mean", "Of every engine that counts tokens.", "s", "slm:inter_token_seconds:mean"),
    )


def _work() -> tuple[Panel, ...]:
    return (
        _by_engine("Tokens made", "Of all answers together.", "cps", "slm:tokens_out:rate5m"),
        _by_engine("Prompt tokens", "Taken in, those found in a cache included.", "cps", "slm:tokens_in:rate5m"),
        _by_engine("Requests", "Those that were answered.", "reqps", "sum by (engine, kind) (slm:requests:rate5m)"),
        _by_engine("Running requests", "Those the engine works on.", "short", "slm:requests_running"),
        _by_engine("Waiting requests", "In the gateway and in the engine.", "short", "slm:requests_waiting"),
        _by_engine(
            "Found in the prefix cache",
            "The share of prompt tokens that need not be computed again.",
            "percentunit",
            "slm:prefix_cache_hit:ratio_rate5m",
            high=1,
        ),
    )


def _room() -> tuple[Panel, ...]:
    return (
        _by_engine("Memory", "Of the fullest copy.", "bytes", "slm:memory_bytes"),
        _by_engine(
            "Memory compared with its prediction",
            "1 is what sizing predicted. Above it, sizing lets something through that does not fit.",
            "percentunit",
            "slm:memory_bytes / on (engine, kind, model) slm:memory_predicted_bytes",
            runbooks=("MemoryAbovePrediction",),
        ),
        _by_engine(
            "Cost of a million tokens",
            "Price of what the engine occupies, over the tokens it made in the last hour. Only where prices are known.",
            "currencyUSD",
            "slm:cost_per_million_tokens",
        ),
    )
