"""What the pages of a stack's monitoring show, asked of its real Prometheus and Loki, wherever it runs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import quote

from components.monitoring.dashboards import Page, Panel, Query

QUIET_PAGES = {"slm-gpu", "slm-forwarding"}
"""Pages about what no machine of these tests has, and about what not every stack has."""

UNPRICED = ("slm:usd_per_hour", "slm:cost_per_million_tokens")
"""A machine of one's own has no price."""

OF_KIND = {"vLLM": "vllm", "ONNX Runtime": "onnx", "llama.cpp": "llamacpp", "Ollama": "ollama"}
"""The rows of the engines' page that are about one kind of engine."""

UNTOLD = {
    "ollama": (
        "slm:tokens",
        "slm:ttft_seconds",
        "slm:late_first_tokens",
        "slm:inter_token_seconds",
        "slm:kv_cache_ratio",
        "slm:prefix_cache_hit",
    ),
    "llamacpp": ("slm:ttft_seconds", "slm:late_first_tokens", "slm:inter_token_seconds:p", "slm:kv_cache_ratio"),
    "onnx": (),
    "vllm": (),
}
"""Series that a kind of engine has not got, by how their names begin; the page `slm-comparison` says so to people."""

MAY_HAPPEN = (
    "Alerts that fire",
    "GPUs that do nothing",
    "Keys of unknown age",
    "Notifications",
    "Refusals by key",
    "Requests that failed",
)
"""Panels of what has not happened in these stacks, or happens to nobody by itself."""


class Watched:
    """A stack with monitoring. `ask` gives what a part of it answers at an address, `kinds` its engines' by name."""

    def __init__(self, ask: Callable[[str], Any], kinds: dict[str, str]) -> None:
        self._ask, self.kinds = ask, kinds

    @property
    def told_most(self) -> str:
        """The kind that tells the most of itself, of those that are there."""
        return min(self.kinds.values(), key=lambda kind: (len(UNTOLD[kind]), kind != "vllm"))

    def get(self, url: str) -> Any:
        return self._ask(url)["data"]["result"]

    def prometheus(self, expr: str) -> list[Any]:
        found: list[Any] = self.get(f"http://127.0.0.1:9090/api/v1/query?query={quote(expr)}")
        return found

    def loki(self, expr: str) -> list[Any]:
        start = int((time.time() - 3600) * 1e9)
        found: list[Any] = self.get(
            f"http://loki:3100/loki/api/v1/query_range?query={quote(expr)}&start={start}&step=60"
        )
        return found

    def ask(self, panel: Panel, query: Query, **chosen: str) -> list[Any]:
        expr = re.sub(r"\$__(rate_interval|range|interval)", "5m", query.expr)
        for name, value in chosen.items():
            expr = expr.replace(f"${name}", value)
        return self.loki(expr) if panel.logs else self.prometheus(expr)


def told_by(kind: str, query: Query) -> bool:
    return not any(name in query.expr for name in (*UNTOLD[kind], *UNPRICED))


def empty(watched: Watched, page: Page, may_be: Collection[str] = MAY_HAPPEN) -> list[str]:
    """The panels of a page that should show something and do not; `may_be` are titles of those that need not."""
    found = []
    host = watched.prometheus("node_uname_info")[0]["metric"]["instance"]
    for row in page.rows:
        for panel in row.panels:
            if panel.title in may_be:
                continue
            for query in panel.queries:
                for engine, kind in watched.kinds.items():
                    if OF_KIND.get(row.title, kind) != kind or not told_by(kind, query):
                        continue
                    if page.uid != "slm-engine" and kind != watched.told_most:
                        continue  # Pages about all engines are asked once.
                    if not watched.ask(panel, query, engine=engine, host=host, workload="gateway"):
                        found.append(f"{page.title}: {panel.title}: {query.expr} ({engine})")
    return found
