"""Engines' own metrics in one vocabulary (pure). A kind of engine that does not tell something has no series of it."""

from __future__ import annotations

from components.monitoring.rules.expressions import BY_ENGINE, any_of, mean, quantile
from components.monitoring.rules.rule import Group, Record

FIRST_TOKEN = {
    "vllm": 'vllm:time_to_first_token_seconds{suffix}{{job="vllm"{matchers}}}',
    "onnx": 'slm_onnx_time_to_first_token_seconds{suffix}{{job="onnx"{matchers}}}',
}
"""The histograms of the time to the first token. llama.cpp and Ollama have none: their gateway's log is the source."""

BETWEEN_TOKENS = {
    "vllm": "vllm:inter_token_latency_seconds",
    "onnx": "slm_onnx_inter_token_seconds",
}

_TOKENS_OUT = {
    "vllm": "vllm:generation_tokens_total",
    "llamacpp": "llamacpp:tokens_predicted_total",
    "onnx": "slm_onnx_generated_tokens_total",
}
_TOKENS_IN = {
    "vllm": "vllm:prompt_tokens_total",
    "llamacpp": "llamacpp:prompt_tokens_total",
    "onnx": "slm_onnx_prompt_tokens_total",
}
_RUNNING = {
    "vllm": "vllm:num_requests_running",
    "llamacpp": "llamacpp:requests_processing",
    "onnx": "slm_onnx_requests_running",
}
_WAITING = {
    "vllm": "vllm:num_requests_waiting",
    "llamacpp": "llamacpp:requests_deferred",
    "onnx": "slm_onnx_requests_waiting",
}


def engines() -> Group:
    """Requests inside the engines, tokens, latencies, key-value cache, loaded models, refusals and failures."""
    return Group(name="engines", rules=(*_requests(), *_tokens(), *_latencies(), *_state(), *_failures()))


def _requests() -> list[Record]:
    return [
        Record(name="slm:engine_requests_running", expr=_sums(_RUNNING)),
        Record(name="slm:engine_requests_waiting", expr=_sums(_WAITING)),
    ]


def _tokens() -> list[Record]:
    return [
        Record(name="slm:tokens_in:rate5m", expr=_rates(_TOKENS_IN)),
        Record(name="slm:tokens_out:rate5m", expr=_rates(_TOKENS_OUT)),
        Record(name="slm:tokens_out:rate1h", expr=_rates(_TOKENS_OUT, "1h")),
    ]


def _latencies() -> list[Record]:
    first = [pattern.format(suffix="_bucket", matchers="") for pattern in FIRST_TOKEN.values()]
    between = [f'{name}_bucket{{job="{job}"}}' for job, name in BETWEEN_TOKENS.items()]
    queue = 'vllm:request_queue_time_seconds_bucket{job="vllm"}'
    # llama.cpp adds up the seconds it spent on tokens: their mean is all it tells.
    seconds = f'sum {BY_ENGINE} (rate(llamacpp:tokens_predicted_seconds_total{{job="llamacpp"}}[5m]))'
    tokens = f'sum {BY_ENGINE} (rate(llamacpp:tokens_predicted_total{{job="llamacpp"}}[5m]))'
    means = [mean(name, f'{{job="{job}"}}') for job, name in BETWEEN_TOKENS.items()]
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return [
        *(
            Record(name=f"slm:ttft_seconds:{suffix}", expr=any_of(*(quantile(share, b) for b in first)))
            for suffix, share in shares.items()
        ),
        *(
            Record(
                name=f"slm:inter_token_seconds:{suffix}", expr=any_of(*(quantile(shares[suffix], b) for b in between))
            )
            for suffix in ("p50", "p95")
        ),
        Record(name="slm:inter_token_seconds:mean", expr=any_of(*means, f"{seconds} / ({tokens} > 0)")),
        Record(name="slm:engine_queue_seconds:p95", expr=quantile(0.95, queue)),
    ]


def _state() -> list[Record]:
    onnx = (
        f'max {BY_ENGINE} (slm_onnx_kv_cache_used_tokens{{job="onnx"}}'
        ' / (slm_onnx_kv_cache_capacity_tokens{job="onnx"} > 0))'
    )
    loaded = any_of(
        # The first two answer nothing at all before their model is loaded.
        f'sum {BY_ENGINE} (up{{job=~"vllm|llamacpp"}})',
        f'sum {BY_ENGINE} (slm_onnx_ready{{job="onnx"}})',
        f'sum {BY_ENGINE} (slm_ollama_models_loaded{{job="ollama"}})',
    )
    return [
        Record(
            name="slm:kv_cache_ratio", expr=any_of(f'max {BY_ENGINE} (vllm:kv_cache_usage_perc{{job="vllm"}})', onnx)
        ),
        Record(name="slm:models_loaded", expr=loaded),
        Record(
            name="slm:prefix_cache_hit:ratio_rate5m",
            expr=any_of(
                _ratio("vllm:prefix_cache_hits_total", "vllm:prefix_cache_queries_total", "vllm"),
                _ratio("llamacpp:prompt_tokens_cached_total", "llamacpp:prompt_tokens_total", "llamacpp"),
                _ratio("slm_onnx_prompt_tokens_cached_total", "slm_onnx_prompt_tokens_total", "onnx"),
            ),
        ),
    ]


def _failures() -> list[Record]:
    return [
        Record(
            name="slm:engine_failures:rate5m",
            expr=any_of(
                f'sum {BY_ENGINE} (rate(vllm:request_success_total{{job="vllm",finished_reason="error"}}[5m]))',
                f'sum {BY_ENGINE} (rate(slm_onnx_requests_total{{job="onnx",outcome="error"}}[5m]))',
            ),
        ),
        Record(
            name="slm:engine_rejections:rate5m",
            expr=any_of(
                f'sum {BY_ENGINE} (rate(vllm:admission_rejections_total{{job="vllm"}}[5m]))',
                f'sum {BY_ENGINE} (rate(slm_onnx_requests_total{{job="onnx",outcome="rejected"}}[5m]))',
            ),
        ),
        Record(
            name="slm:preemptions:rate5m",
            expr=f'sum {BY_ENGINE} (rate(vllm:num_preemptions_total{{job="vllm"}}[5m]))',
        ),
    ]


def _sums(metrics: dict[str, str]) -> str:
    return any_of(*(f'sum {BY_ENGINE} ({name}{{job="{job}"}})' for job, name in metrics.items()))


def _rates(metrics: dict[str, str], window: str = "5m") -> str:
    return any_of(*(f'sum {BY_ENGINE} (rate({name}{{job="{job}"}}[{window}]))' for job, name in metrics.items()))


def _ratio(part: str, whole: str, job: str) -> str:
    top = f'sum {BY_ENGINE} (rate({part}{{job="{job}"}}[5m]))'
    return f'{top} / (sum {BY_ENGINE} (rate({whole}{{job="{job}"}}[5m])) > 0)'
