"""The first page: is the service well, and does it keep what it promises?"""

from __future__ import annotations

from components.monitoring.dashboards.model import GOOD_UNTIL_ZERO, Page, Panel, Query, Row, Step, above, below

UP = Panel(
    title="Engines that answer",
    about="1 while the gateway can use at least one copy.",
    shape="stat",
    unit="bool_on_off",
    queries=(Query(expr="slm:up", legend="{{engine}}", now=True),),
    steps=(Step(color="red"), Step(color="green", value=1)),
    width=12,
    height=5,
    runbooks=("EngineDown",),
)

FIRING = Panel(
    title="Alerts that fire",
    about="Without the watchdog, which always fires.",
    shape="table",
    unit="none",
    queries=(
        Query(
            expr="sum by (alertname, severity, engine, workload, instance)"
            ' (ALERTS{alertstate="firing",alertname!="Watchdog"})',
            now=True,
        ),
    ),
    width=12,
    height=5,
)


def overview() -> Page:
    """State, objectives, and the four figures that say most: traffic, errors, latency, saturation."""
    return Page(
        uid="slm-overview",
        title="Overview",
        about="Is the service well, and does it keep what it promises?",
        rows=(
            Row(title="Now", panels=(UP, FIRING)),
            Row(title="Objectives", panels=_objectives()),
            Row(title="Traffic and latency", panels=_traffic()),
            Row(title="Saturation", panels=_saturation()),
        ),
    )


def _objectives() -> tuple[Panel, ...]:
    left = "1 - slm:{ratio}:ratio_rate3d / on () group_left () (1 - slm:objective_{share})"
    return (
        Panel(
            title="Error budget left (3 days)",
            about="Of the failures that the objective allows, the share not used in the last three days. Below zero the"
            " objective is missed.",
            shape="stat",
            unit="percentunit",
            queries=(Query(expr=left.format(ratio="errors", share="availability"), legend="{{engine}}", now=True),),
            steps=above(0, 0.5),
            width=6,
            height=6,
            runbooks=("ErrorBudgetBurn",),
        ),
        Panel(
            title="First token budget left (3 days)",
            about="The same for first tokens that come late. Only engines that measure it: vLLM and ONNX.",
            shape="stat",
            unit="percentunit",
            queries=(
                Query(
                    expr=left.format(ratio="late_first_tokens", share="first_token_share"),
                    legend="{{engine}}",
                    now=True,
                ),
            ),
            steps=above(0, 0.5),
            width=6,
            height=6,
            runbooks=("FirstTokenBudgetBurn",),
        ),
        Panel(
            title="Requests that fail",
            about="The share answered by a server error in the last hour, and the share that is allowed.",
            unit="percentunit",
            queries=(
                Query(expr="slm:errors:ratio_rate1h", legend="{{engine}}"),
                Query(expr="1 - slm:objective_availability", legend="allowed"),
            ),
            low=0,
            width=6,
            height=6,
            runbooks=("ErrorBudgetBurn",),
        ),
        Panel(
            title="First tokens that come late",
            about="The share later than the objective's limit in the last hour, and the share that is allowed.",
            unit="percentunit",
            queries=(
                Query(expr="slm:late_first_tokens:ratio_rate1h", legend="{{engine}}"),
                Query(expr="1 - slm:objective_first_token_share", legend="allowed"),
            ),
            low=0,
            width=6,
            height=6,
            runbooks=("FirstTokenBudgetBurn",),
        ),
    )


def _traffic() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Requests",
            about="Answered requests of each engine, as the gateway counts them.",
            unit="reqps",
            queries=(Query(expr="sum by (engine) (slm:requests:rate5m)", legend="{{engine}}"),),
            low=0,
            stacked=True,
        ),
        Panel(
            title="Server errors",
            about="Requests answered by 5xx.",
            unit="reqps",
            queries=(Query(expr="slm:errors:rate5m", legend="{{engine}}"),),
            low=0,
            runbooks=("ErrorBudgetBurn",),
        ),
        Panel(
            title="Tokens made",
            about="Ollama does not count its tokens; they are in the gateway's log where an answer names them.",
            unit="cps",
            queries=(Query(expr="slm:tokens_out:rate5m", legend="{{engine}}"),),
            low=0,
            stacked=True,
            runbooks=("EngineHung",),
        ),
        Panel(
            title="Time to the first token (p95)",
            about="95 of 100 answers begin sooner. Inside the engine: the gateway's queue comes on top.",
            unit="s",
            queries=(
                Query(expr="slm:ttft_seconds:p95", legend="{{engine}}"),
                Query(expr="slm:objective_first_token_seconds", legend="objective"),
            ),
            low=0,
            runbooks=("FirstTokenBudgetBurn",),
        ),
        Panel(
            title="Time between two tokens",
            about="The mean. Text appears slower than people read above about 0.2 seconds.",
            unit="s",
            queries=(
                Query(expr="slm:inter_token_seconds:mean", legend="{{engine}}"),
                Query(expr="slm:objective_token_seconds", legend="objective (p95)"),
            ),
            low=0,
            runbooks=("TokensSlow",),
        ),
        Panel(
            title="Time to the first byte",
            about="The mean of the last 1024 answers, for every kind of engine; of answers that are not streamed it is"
            " the whole time.",
            unit="s",
            queries=(Query(expr="slm:first_byte_seconds:mean", legend="{{engine}}"),),
            low=0,
        ),
    )


def _saturation() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Requests that wait",
            about="In the gateway and in the engine together.",
            queries=(Query(expr="slm:requests_waiting", legend="{{engine}}"),),
            low=0,
            width=6,
            runbooks=("QueueWaitLong", "QueueNotEmptying"),
        ),
        Panel(
            title="Key-value cache",
            about="How full it is. Full with requests waiting is what limits the engine.",
            unit="percentunit",
            queries=(Query(expr="slm:kv_cache_ratio", legend="{{engine}}"),),
            steps=below(0.8, 0.95),
            low=0,
            high=1,
            width=6,
            runbooks=("KvCacheFull",),
        ),
        Panel(
            title="Memory of its limit",
            about="Of each container. At 1 the kernel kills it.",
            unit="percentunit",
            queries=(Query(expr="slm:workload_memory:ratio", legend="{{workload}}"),),
            steps=below(0.85, 0.95),
            low=0,
            high=1,
            width=6,
            runbooks=("WorkloadMemoryNearlyFull",),
        ),
        Panel(
            title="Starts in 15 minutes",
            about="Containers that were started again.",
            shape="stat",
            queries=(Query(expr="slm:workload_restarts:count15m", legend="{{workload}}", now=True),),
            steps=GOOD_UNTIL_ZERO,
            width=6,
            runbooks=("WorkloadRestarted",),
        ),
    )
