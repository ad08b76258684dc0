"""The comparison of engines: figures from samples, as Markdown and JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.engines_load import Group
from bench.table import percentile

GATEWAY, DIRECT = "gateway", "direct"


@dataclass
class Measured:
    """Everything measured of one engine. `groups` by route and number of streams, one for each round; `prompts` the
    tokens per second at which a long prompt was read, by route; `peak_mib` and `start_seconds` of its container;
    `failures` are rounds that count for nothing, with the reason."""

    engine: str
    kind: str
    model: str
    weights: str
    groups: dict[str, dict[int, list[Group]]] = field(default_factory=dict)
    prompts: dict[str, list[float]] = field(default_factory=dict)
    idle_mib: float = 0.0
    peak_mib: float = 0.0
    start_seconds: float | None = None
    failures: list[str] = field(default_factory=list)

    def add(
        self, groups: Sequence[tuple[str, int, Group]], prompts: Sequence[tuple[str, float]], peak_mib: float
    ) -> None:
        """Take in a whole round: (route, streams, answers), (route, tokens per second of a long prompt), the peak."""
        for route, streams, group in groups:
            self.groups.setdefault(route, {}).setdefault(streams, []).append(group)
        for route, rate in prompts:
            self.prompts.setdefault(route, []).append(rate)
        self.peak_mib = max(self.peak_mib, peak_mib)

    def rate(self, route: str, streams: int) -> float:
        """Median over the rounds of tokens per second, all streams together."""
        return statistics.median(group.rate for group in self.groups[route][streams])

    def decode(self, route: str) -> float:
        """Median tokens per second after the first token, at one stream."""
        return statistics.median(s.decode for group in self.groups[route][1] for s in group.samples)

    def first(self, route: str, streams: int, percent: float) -> float:
        """Milliseconds to the first token, at a percentile of all answers of all rounds."""
        return 1000 * percentile([s.first for group in self.groups[route][streams] for s in group.samples], percent)

    def prompt(self, route: str) -> float:
        """Median tokens per second of reading a long prompt."""
        return statistics.median(self.prompts[route])


def cost_per_million(price_per_hour: float, tokens_per_second: float) -> float:
    """What a million written tokens cost on a machine of that price, in the price's currency."""
    return price_per_hour / 3600 / tokens_per_second * 1_000_000


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] + ["---:"] * (len(headings) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def markdown(
    results: Sequence[Measured],
    streams: Sequence[int],
    machine: Mapping[str, object],
    gateway_ms: float | None,
    price: float | None,
    everything: Sequence[Measured] = (),
) -> str:
    """The tables as they stand in docs/engines.md, and what failed in `everything` that was tried."""
    routes = list(results[0].groups)
    speed = ["engine", "weights", *(f"tok/s, {n} stream{'s' * (n > 1)}" for n in streams), "decode tok/s, 1 stream"]
    parts = [
        "Tokens per second of all streams together, prompts included; medians of the rounds.",
        _table(
            [*speed, "prompt tok/s"],
            [
                [
                    f"{r.engine}, {route}",
                    r.weights,
                    *(f"{r.rate(route, n):.1f}" for n in streams),
                    f"{r.decode(route):.1f}",
                    f"{r.prompt(route):.0f}",
                ]
                for r in results
                for route in routes
            ],
        ),
        "Milliseconds to the first token: half of the answers were faster (p50), nearly all (p99).",
        _table(
            ["engine", *(f"p{p}, {n} stream{'s' * (n > 1)}" for n in streams for p in (50, 99))],
            [
                [f"{r.engine}, {route}", *(f"{r.first(route, n, p):.0f}" for n in streams for p in (50, 99))]
                for r in results
                for route in routes
            ],
        ),
        "The container: memory without droppable file cache, seconds from its start to its first answer.",
        _table(
            ["engine", "idle MiB", "peak MiB", "start-up s", *(["per million tokens"] if price else [])],
            [
                [
                    r.engine,
                    f"{r.idle_mib:.0f}",
                    f"{r.peak_mib:.0f}",
                    "-" if r.start_seconds is None else f"{r.start_seconds:.1f}",
                    *([f"{cost_per_million(price, _best(r, streams)):.2f}"] if price else []),
                ]
                for r in results
            ],
        ),
    ]
    if price:
        parts.append(f"Cost at {price:g} per hour for the machine, at the best rate through the gateway.")
    if gateway_ms is not None:
        parts.append(
            f"The gateway adds {gateway_ms:.2f} ms (p50) to a request, measured with an engine that answers at once."
        )
    if failures := [f"{r.engine}, {why}" for r in everything for why in r.failures]:
        parts.append("\n".join(["Not measured:", "", *(f"- {failure}" for failure in failures)]))
    facts = ", ".join(f"{key} {value}" for key, value in machine.items())
    return "\n\n".join([*parts, f"Machine: {facts}."]) + "\n"


def _best(result: Measured, streams: Sequence[int]) -> float:
    return max(result.rate(GATEWAY, n) for n in streams)


def document(
    results: Sequence[Measured], machine: Mapping[str, object], gateway_ms: float | None, price: float | None
) -> dict[str, Any]:
    """Every sample, for other tools."""
    return {
        "machine": dict(machine),
        "gateway_added_ms_p50": gateway_ms,
        "price_per_hour": price,
        "engines": [asdict(result) for result in results],
    }


def write(folder: Path, text: str, data: Mapping[str, Any]) -> None:
    """Keep the report beside the samples."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "engines.md").write_text(text)
    (folder / "engines.json").write_text(json.dumps(data, indent=1, default=str) + "\n")
