"""How fast each engine uses up what its objectives allow: shares of bad requests over several windows (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from components.monitoring.rules.engines import FIRST_TOKEN
from components.monitoring.rules.expressions import BACKEND, BY_ENGINE, any_of, described, edge, per_engine
from components.monitoring.rules.objectives import Objectives
from components.monitoring.rules.rule import Group, Record

WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
"""The long and short windows of `burning`."""

_RESPONSES = "haproxy_backend_http_responses_total"


def objective_rules(objectives: Objectives) -> Group:
    """The share of requests that fail, and of first tokens that come late, over each of `WINDOWS`."""
    rules = [rule for window in WINDOWS for rule in (_errors(window), _late(window, objectives.first_token_seconds))]
    for window in ("1h", "1d"):
        failed = described(per_engine(_failed(window, "increase")))
        rules.append(Record(name=f"slm:errors:count{window}", expr=failed))
        rules.append(_late_count(window, objectives.first_token_seconds))
    return Group(name="objectives", rules=tuple(rules), interval="1m")


def burning(ratio: str, budget: str, factor: float, long: str, short: str) -> str:
    """Engines whose `ratio` was `factor` times above `budget` over the long window, and still is over the short one."""
    above = f"> on () group_left () ({factor:g} * {budget})"
    return f"(slm:{ratio}:ratio_rate{long} {above} and slm:{ratio}:ratio_rate{short} {above})"


def _failed(window: str, function: str = "rate") -> str:
    return f'{function}({_RESPONSES}{{{BACKEND},code="5xx"}}[{window}])'


def _errors(window: str) -> Record:
    answered = per_engine(f"rate({_RESPONSES}{{{BACKEND}}}[{window}])")
    expression = f"{per_engine(_failed(window))} / ({answered} > 0)"
    return Record(name=f"slm:errors:ratio_rate{window}", expr=described(f"({expression})"))


def _late(window: str, seconds: float) -> Record:
    shares = (f"1 - {good} / ({every} > 0)" for good, every in _first_tokens(f"rate(METRIC[{window}])", seconds))
    return Record(name=f"slm:late_first_tokens:ratio_rate{window}", expr=any_of(*shares))


def _late_count(window: str, seconds: float) -> Record:
    counts = (f"{every} - {good}" for good, every in _first_tokens(f"increase(METRIC[{window}])", seconds))
    return Record(name=f"slm:late_first_tokens:count{window}", expr=any_of(*counts))


def _first_tokens(function: str, seconds: float) -> Iterator[tuple[str, str]]:
    """Of each kind of engine, the function of first tokens that came within `seconds`, and of all of them."""
    for pattern in FIRST_TOKEN.values():
        within = pattern.format(suffix="_bucket", matchers=f',le="{edge(seconds)}"')
        every = pattern.format(suffix="_count", matchers="")
        yield (
            f"sum {BY_ENGINE} ({function.replace('METRIC', within)})",
            f"sum {BY_ENGINE} ({function.replace('METRIC', every)})",
        )
