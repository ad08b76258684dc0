"""Pieces that many expressions are made of (pure)."""

from __future__ import annotations

BY_ENGINE = "by (engine, kind, model)"
INFO = "on (engine) group_left (kind, model) slm:engine_info"
BACKEND = 'job="gateway",proxy=~"engine-.+"'
CONTAINER = 'job="cadvisor",workload!=""'


def per_engine(vector: str, operation: str = "sum", by: str = "") -> str:
    """A vector of the gateway's backends as one of engines: without `kind` and `model`, which only `described` adds.

    `by` are labels of the vector to keep.
    """
    kept = f"engine, {by}" if by else "engine"
    return f'{operation} by ({kept}) (label_replace({vector}, "engine", "$1", "proxy", "engine-(.+)"))'


def described(vector: str, kinds: str = "") -> str:
    """A vector of engines with `kind` and `model` added; only engines of the stack, and only of `kinds` if given."""
    chosen = f'{{kind=~"{kinds}"}}' if kinds else ""
    return f"{vector} * {INFO}{chosen}"


def any_of(*vectors: str) -> str:
    """What any of the vectors has, the first one's where several have it."""
    return "\nor\n".join(vectors)


def edge(seconds: float) -> str:
    """A bucket's upper edge as Prometheus writes it in `le`."""
    return f"{float(seconds)}"


def quantile(share: float, bucket: str, window: str = "5m") -> str:
    """The quantile of each engine's histogram over `window`, in its unit."""
    return f"histogram_quantile({share:g}, sum by (engine, kind, model, le) (rate({bucket}[{window}])))"


def mean(histogram: str, selector: str, window: str = "5m") -> str:
    """The mean of each engine's histogram over `window`; none where nothing was observed."""
    total = f"sum {BY_ENGINE} (rate({histogram}_sum{selector}[{window}]))"
    return f"{total} / (sum {BY_ENGINE} (rate({histogram}_count{selector}[{window}])) > 0)"
