"""vLLM's command line: whatever the settings, it is one that the pinned releases understand as it is meant."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from components.catalog import catalog
from components.engines.vllm_arguments import SHIPPED_PARSERS
from components.engines.vllm_quantization import ALIASES, ONLINE
from tests.unit.vllm_samples import RELEASES, model, parse, phi, release, workload

pytestmark = pytest.mark.unit

SETTINGS: dict[str, tuple[Any, ...]] = {
    "gpus": (0, 1, 2),
    "kv_cache_memory": (None, "4Gi"),
    "kv_cache_type": ("auto", "fp8"),
    "dtype": (None, "auto", "bfloat16", "float16", "float32"),
    "tools": (None, False, True),
    "enforce_eager": (None, True, False),
}
COMBINATIONS = [dict(zip(SETTINGS, values, strict=True)) for values in product(*SETTINGS.values())]


@pytest.mark.parametrize("version", RELEASES)
def test_every_combination_of_settings_is_a_command_line_of_the_release(version: str) -> None:
    for settings in COMBINATIONS:
        args = workload(**settings, port=12000, parallel=3, context_length=2048, max_queue=7, drain=33).args
        given = parse(version, args)
        assert given["model_tag"] == "/models/huggingface", settings
        assert given["served_model_name"] == ["tiny-0.5b"], settings
        wanted = {
            "host": "0.0.0.0",
            "port": "12000",
            "max_model_len": "2048",
            "max_num_seqs": "3",
            # Waiting and running ones together, as vLLM counts them.
            "max_num_queued_reqs": "10",
            "shutdown_timeout": "33",
            "load_format": "safetensors",
            "max_log_len": "0",
            "enable_prefix_caching": True,
            "disable_fastapi_docs": True,
        }
        assert {key: given[key] for key in wanted} == wanted, settings
        forbidden = {"api_key", "trust_remote_code", "quantization", "enable_log_requests", "enable_log_outputs"}
        assert not forbidden & given.keys(), settings
        assert ("kv_cache_memory_bytes" in given) != ("gpu_memory_utilization" in given), settings
        assert ("enforce_eager" in given) is (
            settings["enforce_eager"] or (settings["enforce_eager"] is None and not settings["gpus"])
        )
        assert given.get("tensor_parallel_size") == ("2" if settings["gpus"] == 2 else None), settings
        assert given.get("kv_cache_dtype") == ("fp8" if settings["kv_cache_type"] == "fp8" else None), settings
        assert given.get("tool_call_parser") == (None if settings["tools"] is False else "hermes"), settings


def test_the_seeds_cpu_shape() -> None:
    given = parse("0.32.0", workload(context_length=4096, parallel=4, memory="8Gi", cpus=4).args)
    # Four contexts of 4096 tokens and a block of 128, 24 KiB per token at 32 bits.
    assert given["kv_cache_memory_bytes"] == str((4 * 4096 + 128) * 24 * 1024)
    assert (given["max_model_len"], given["max_num_seqs"]) == ("4096", "4")
    assert given["dtype"] == "float32"
    assert given["enforce_eager"]


def test_the_seeds_gpu_shape() -> None:
    service = workload(phi(), model="phi4-mini", gpus=1, context_length=8192, parallel=8, gpu_memory_utilization=0.8)
    given = parse("0.33.0", service.args)
    assert given["gpu_memory_utilization"] == "0.8"
    assert given["dtype"] == "auto"
    assert (given["max_model_len"], given["max_num_seqs"]) == ("8192", "8")
    assert given["enable_auto_tool_choice"]
    assert given["tool_call_parser"] == "phi4_mini_functools"
    assert given["tool_parser_plugin"] == "/etc/slm/slm_tool_parsers.py"
    assert given["chat_template"] == "/etc/slm/chat_template.jinja"
    names = [file.name for file in service.files]
    assert {"slm_tool_parsers.py", "chat_template.jinja", "probe.sh"} <= set(names)
    assert "<|tool|>" in service.files[names.index("chat_template.jinja")].content


def test_a_fraction_of_the_gpu_is_never_given_together_with_a_size() -> None:
    given = parse("0.33.0", workload(gpus=1, kv_cache_memory="3Gi").args)
    assert given["kv_cache_memory_bytes"] == str(3 * 1024**3)
    assert "gpu_memory_utilization" not in given


@pytest.mark.parametrize("version", RELEASES)
def test_every_parser_the_catalogue_names_exists(version: str) -> None:
    tools = {m.tool_parser for m in catalog().models.values() if m.tool_parser}
    reasoning = {m.reasoning_parser for m in catalog().models.values() if m.reasoning_parser}
    assert tools
    assert tools - SHIPPED_PARSERS.keys() <= set(release(version)["tool_parsers"])
    assert reasoning <= set(release(version)["reasoning_parsers"])


def test_our_parsers_take_no_name_that_vllm_has() -> None:
    # A plugin that fails to load is only logged: under vLLM's own name the faulty parser would be used in silence.
    for version in RELEASES:
        assert not set(SHIPPED_PARSERS.values()) & set(release(version)["tool_parsers"])


@pytest.mark.parametrize("version", RELEASES)
def test_every_quantisation_we_speak_of_is_one_the_release_knows(version: str) -> None:
    known = set(release(version)["quantization"])
    assert set(ONLINE) | set(ALIASES.values()) <= known


def test_a_reasoning_models_thoughts_are_read() -> None:
    assert parse("0.33.0", workload(model(reasoning_parser="qwen3")).args)["reasoning_parser"] == "qwen3"


def test_remote_code_is_only_run_when_asked_for() -> None:
    assert "--trust-remote-code" not in workload().args
    assert parse("0.33.0", workload(trust_remote_code=True).args)["trust_remote_code"]


def test_the_check_itself_refuses_a_flag_the_release_has_not() -> None:
    with pytest.raises(ValueError, match="unrecognized arguments"):
        parse("0.33.0", (*workload().args, "--max-queued", "3"))
    with pytest.raises(ValueError, match="invalid choice"):
        parse("0.33.0", ("m", "--dtype", "int7"))
