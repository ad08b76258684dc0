"""Alerts about engines: whether they answer, how fast, and what they run out of (pure)."""

from __future__ import annotations

from components.monitoring.rules.objective_rules import burning
from components.monitoring.rules.rule import Alert, Group

ERROR_BUDGET = "(1 - slm:objective_availability)"
LATE_BUDGET = "(1 - slm:objective_first_token_share)"
FEWEST = 3
"""Bad requests, within an hour or a day, below which no budget counts as burning."""


def engine_alerts() -> Group:
    """Everything about one engine. Those that may run without a copy are not down without one."""
    return Group(name="engine-alerts", rules=(*_answers(), *_budgets(), *_speed(), *_room()))


def _answers() -> tuple[Alert, ...]:
    return (
        Alert(
            name="EngineDown",
            expr='slm:up == 0 and on (engine) (slm:copies_described > 0 or slm:engine_info{kind="external"})',
            wait="2m",
            severity="critical",
            summary="{{ $labels.engine }} ({{ $labels.kind }}) does not answer: its clients get 503",
        ),
        Alert(
            name="EngineCopiesMissing",
            expr="slm:copies_up < slm:copies_described and slm:copies_up > 0",
            wait="10m",
            severity="warning",
            summary="{{ $labels.engine }} runs with {{ $value }} copies, which is fewer than described",
        ),
        Alert(
            name="EngineHung",
            expr="min_over_time(slm:requests_running[5m]) > 0 and slm:tokens_out:rate5m == 0",
            wait="1m",
            severity="critical",
            summary="{{ $labels.engine }} has had requests for five minutes and made no token",
        ),
        Alert(
            name="EngineAnswersNothing",
            expr="min_over_time(slm:gateway_requests_running[10m]) > 0 and on (engine) sum by (engine)"
            " (slm:requests:rate5m) == 0",
            wait="5m",
            severity="critical",
            summary="{{ $labels.engine }} works on requests and has ended none: whoever asked still waits",
            runbook="EngineHung",
        ),
        Alert(
            name="EngineFailures",
            expr="slm:engine_failures:rate5m > 0",
            wait="5m",
            keep="5m",
            severity="warning",
            summary="{{ $labels.engine }} says itself that it fails requests",
        ),
        Alert(
            name="ModelNotLoaded",
            # Ollama lets an idle model go and loads it again for the next request.
            expr='slm:models_loaded{kind!="ollama"} == 0 and on (engine) slm:copies_described > 0',
            wait="15m",
            severity="warning",
            summary="{{ $labels.engine }} has had no model in memory for a quarter of an hour",
        ),
    )


def _budgets() -> tuple[Alert, ...]:
    failed = "requests fail faster than the objective allows"
    late = "first tokens come late more often than the objective allows"
    return (
        _burns("ErrorBudgetBurn", "errors", ERROR_BUDGET, failed, fast=True),
        _burns("ErrorBudgetBurn", "errors", ERROR_BUDGET, failed, fast=False),
        _burns("FirstTokenBudgetBurn", "late_first_tokens", LATE_BUDGET, late, fast=True),
        _burns("FirstTokenBudgetBurn", "late_first_tokens", LATE_BUDGET, late, fast=False),
    )


def _burns(name: str, ratio: str, budget: str, what: str, *, fast: bool) -> Alert:
    """An alert about a budget that is used up within days (`fast`) or within the month, over two windows each."""
    windows = ((14.4, "1h", "5m"), (6, "6h", "30m")) if fast else ((3, "1d", "2h"), (1, "3d", "6h"))
    either = " or ".join(burning(ratio, budget, factor, long, short) for factor, long, short in windows)
    return Alert(
        name=f"{name}{'Fast' if fast else 'Slow'}",
        # One bad request of five at night is no reason to call anybody.
        expr=f"({either}) and slm:{ratio}:count{'1h' if fast else '1d'} >= {FEWEST}",
        wait="2m" if fast else "15m",
        keep="10m",
        severity="critical" if fast else "warning",
        summary=f"{{{{ $labels.engine }}}}: {what}, {{{{ $value | humanizePercentage }}}} of them",
        runbook=name,
    )


def _speed() -> tuple[Alert, ...]:
    return (
        Alert(
            name="TokensSlow",
            expr="slm:inter_token_seconds:p95 > on () group_left () slm:objective_token_seconds",
            wait="10m",
            keep="5m",
            severity="warning",
            summary="{{ $labels.engine }} takes {{ $value | humanizeDuration }} for a token (95 of 100 take less)",
        ),
        Alert(
            name="QueueWaitLong",
            expr="slm:queue_wait_seconds > on () group_left () (0.5 * slm:queue_limit_seconds)",
            wait="5m",
            severity="warning",
            summary="{{ $labels.engine }}: requests wait about {{ $value | humanizeDuration }} before they begin",
        ),
        Alert(
            name="QueueNotEmptying",
            expr="min_over_time(slm:requests_waiting[15m]) > 0",
            wait="1m",
            severity="warning",
            summary="{{ $labels.engine }}: somebody has been waiting at every moment of the last quarter of an hour",
        ),
        Alert(
            name="EngineRejects",
            expr="slm:engine_rejections:rate5m > 0",
            wait="5m",
            keep="5m",
            severity="warning",
            summary="{{ $labels.engine }} turns requests away because its own queue is full",
        ),
        Alert(
            name="ClientsGiveUp",
            expr="slm:client_aborts:rate5m > 0.2 * sum by (engine, kind, model) (slm:requests:rate5m)"
            " and slm:client_aborts:rate5m > 0.01",
            wait="10m",
            severity="info",
            summary="{{ $labels.engine }}: one in five clients hangs up before its answer is complete",
        ),
    )


def _room() -> tuple[Alert, ...]:
    return (
        Alert(
            name="KvCacheFull",
            expr="slm:kv_cache_ratio > 0.95 and slm:requests_waiting > 0",
            wait="5m",
            severity="warning",
            summary="{{ $labels.engine }}: its cache is {{ $value | humanizePercentage }} full, and requests wait",
        ),
        Alert(
            name="Preemptions",
            expr="slm:preemptions:rate5m > 0.1",
            wait="10m",
            severity="warning",
            summary="{{ $labels.engine }} throws running requests out of its cache and computes them again",
        ),
        Alert(
            name="MemoryAbovePrediction",
            expr="slm:memory_bytes > 1.15 * slm:memory_predicted_bytes",
            wait="30m",
            severity="info",
            summary="{{ $labels.engine }} takes {{ $value | humanize1024 }}B, more than sizing predicted",
        ),
    )
