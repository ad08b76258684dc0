"""One engine in depth."""

from __future__ import annotations

from components.monitoring.dashboards.model import Choice, Page, Panel, Query, Row, below

ENGINE = Choice(name="engine", title="Engine", series="slm:engine_info", label="engine")
OWN = 'engine="$engine"'


def engine() -> Page:
    """Everything one engine tells; rows of other kinds than its own stay empty and are closed."""
    return Page(
        uid="slm-engine",
        title="One engine",
        about="Everything that one engine tells of itself, and its container.",
        choices=(ENGINE,),
        rows=(
            Row(title="Answers", panels=_answers()),
            Row(title="Container", panels=_container()),
            Row(title="vLLM", panels=_vllm(), closed=True),
            Row(title="ONNX Runtime", panels=_onnx(), closed=True),
            Row(title="llama.cpp", panels=_llamacpp(), closed=True),
            Row(title="Ollama", panels=_ollama(), closed=True),
        ),
    )


def _answers() -> tuple[Panel, ...]:
    first = tuple(Query(expr=f"slm:ttft_seconds:{share}{{{OWN}}}", legend=share) for share in ("p50", "p95", "p99"))
    return (
        Panel(
            title="Requests by status",
            about="As the gateway counts them.",
            unit="reqps",
            queries=(Query(expr=f"slm:requests:rate5m{{{OWN}}}", legend="{{code_class}}"),),
            low=0,
            stacked=True,
            runbooks=("ErrorBudgetBurn",),
        ),
        Panel(
            title="Running and waiting",
            about="Running in the engine; waiting in it and in the gateway.",
            queries=(
                Query(expr=f"slm:requests_running{{{OWN}}}", legend="running"),
                Query(expr=f"slm:requests_waiting{{{OWN}}}", legend="waiting"),
            ),
            low=0,
            runbooks=("QueueWaitLong",),
        ),
        Panel(
            title="Tokens",
            about="Made, and taken in with prompts.",
            unit="cps",
            queries=(
                Query(expr=f"slm:tokens_out:rate5m{{{OWN}}}", legend="made"),
                Query(expr=f"slm:tokens_in:rate5m{{{OWN}}}", legend="taken in"),
            ),
            low=0,
        ),
        Panel(title="Time to the first token", about="By the engine's histogram.", unit="s", queries=first, low=0),
        Panel(
            title="Time between two tokens",
            about="By the engine's histogram; llama.cpp tells its mean only.",
            unit="s",
            queries=tuple(
                Query(expr=f"slm:inter_token_seconds:{share}{{{OWN}}}", legend=share)
                for share in ("p50", "p95", "mean")
            ),
            low=0,
            runbooks=("TokensSlow",),
        ),
        Panel(
            title="Key-value cache",
            about="How full it is.",
            unit="percentunit",
            queries=(Query(expr=f"slm:kv_cache_ratio{{{OWN}}}", legend="full"),),
            steps=below(0.8, 0.95),
            low=0,
            high=1,
            runbooks=("KvCacheFull",),
        ),
    )


def _container() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Memory",
            about="Used, predicted by sizing, and the limit at which it is killed.",
            unit="bytes",
            queries=(
                Query(expr=f"slm:memory_bytes{{{OWN}}}", legend="used"),
                Query(expr=f"slm:memory_predicted_bytes{{{OWN}}}", legend="predicted"),
                Query(expr=f"slm:memory_limit_bytes{{{OWN}}}", legend="limit"),
            ),
            low=0,
            runbooks=("MemoryAbovePrediction", "WorkloadOutOfMemory"),
        ),
        Panel(
            title="Processors",
            about="Cores in use.",
            queries=(Query(expr='slm:workload_cpus:rate5m{workload="$engine"}', legend="cores"),),
            low=0,
        ),
        Panel(
            title="Held back by its processor limit",
            about="The share of the kernel's periods in which it had to stand still.",
            unit="percentunit",
            queries=(Query(expr='slm:workload_throttled:ratio_rate5m{workload="$engine"}', legend="held back"),),
            low=0,
            high=1,
            runbooks=("WorkloadThrottled",),
        ),
    )


def _vllm() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Wait inside the engine (p95)",
            about="From a request's arrival in the engine until it is computed.",
            unit="s",
            queries=(Query(expr=f"slm:engine_queue_seconds:p95{{{OWN}}}", legend="p95"),),
            low=0,
        ),
        Panel(
            title="How requests ended",
            about="stop and length are good ends, abort is a client that hung up.",
            unit="reqps",
            queries=(
                Query(
                    expr=f"sum by (finished_reason) (rate(vllm:request_success_total{{{OWN}}}[$__rate_interval]))",
                    legend="{{finished_reason}}",
                ),
            ),
            low=0,
            runbooks=("EngineFailures",),
        ),
        Panel(
            title="Preemptions",
            about="Running requests thrown out of the cache, to be computed again.",
            unit="cps",
            queries=(Query(expr=f"slm:preemptions:rate5m{{{OWN}}}", legend="preemptions"),),
            low=0,
            runbooks=("Preemptions",),
        ),
    )


def _onnx() -> tuple[Panel, ...]:
    steps = "slm_onnx_batch_size_requests"
    return (
        Panel(
            title="Requests that share a step",
            about="The mean number of requests that got a token in one step of the model.",
            queries=(
                Query(
                    expr=f"sum (rate({steps}_sum{{{OWN}}}[$__rate_interval]))"
                    f" / sum (rate({steps}_count{{{OWN}}}[$__rate_interval]))",
                    legend="requests",
                ),
            ),
            low=0,
            width=12,
        ),
        Panel(
            title="How requests ended",
            about="rejected is a full queue, invalid a request that was wrong.",
            unit="reqps",
            queries=(
                Query(
                    expr=f"sum by (outcome) (rate(slm_onnx_requests_total{{{OWN}}}[$__rate_interval]))",
                    legend="{{outcome}}",
                ),
            ),
            low=0,
            width=12,
            runbooks=("EngineFailures", "EngineRejects"),
        ),
    )


def _llamacpp() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Places in use",
            about="The mean number of busy places in a step of the model, since the start.",
            queries=(Query(expr=f"llamacpp:n_busy_slots_per_decode{{{OWN}}}", legend="places"),),
            low=0,
            width=12,
        ),
        Panel(
            title="Seconds spent on prompts",
            about="Of each second, the part that went into prompts; the rest is left for tokens.",
            unit="percentunit",
            queries=(
                Query(expr=f"rate(llamacpp:prompt_seconds_total{{{OWN}}}[$__rate_interval])", legend="prompts"),
                Query(
                    expr=f"rate(llamacpp:tokens_predicted_seconds_total{{{OWN}}}[$__rate_interval])", legend="tokens"
                ),
            ),
            low=0,
            width=12,
        ),
    )


def _ollama() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Models in memory",
            about="Ollama lets a model go when nobody asks for it (keep_alive) and loads it for the next request.",
            queries=(Query(expr=f"slm:models_loaded{{{OWN}}}", legend="models"),),
            low=0,
            width=12,
        ),
        Panel(
            title="Memory of each model",
            about="As Ollama counts it.",
            unit="bytes",
            queries=(Query(expr=f"slm_ollama_model_memory_bytes{{{OWN}}}", legend="{{exported_model}}"),),
            low=0,
            width=12,
        ),
    )
