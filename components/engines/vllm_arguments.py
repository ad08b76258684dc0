"""The command line of the vLLM server, held by tests against the CLI definition of the pinned releases (pure).

Negative forms of switches are not used: release 0.33 calls them --disable-x where 0.32 says --no-enable-x.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.engines.vllm_quantization import quantization_flag
from components.models import Model
from components.weights_volumes import PATHS
from components.workload import FILES_DIRECTORY

if TYPE_CHECKING:
    from components.engines.vllm import Vllm

CHAT_TEMPLATE = "chat_template.jinja"
TOOL_PARSERS = "slm_tool_parsers.py"
SHIPPED_PARSERS = {"phi4_mini_json": "phi4_mini_functools", "fenced_json": "fenced_json"}
"""Models' tool parsers that are served by ours (vllm_tool_parsers.py), and the names ours are registered under."""

KEEP_ALIVE = 15
"""Seconds between comment lines in a stream that has no token yet, so that nobody on the way gives it up."""


def arguments(engine: Vllm, model: Model) -> tuple[str, ...]:
    """What follows `vllm serve`. Raises ValueError when settings and weights do not fit each other."""
    name, weights = engine.weights_of(model)
    given = [
        PATHS["safetensors"],
        *("--served-model-name", engine.served_name),
        *("--host", "0.0.0.0"),
        *("--port", str(engine.port)),
        *("--max-model-len", str(engine.context_length)),
        *("--max-num-seqs", str(engine.parallel)),
        # Despite its name it counts the running ones too.
        *("--max-num-queued-reqs", str(engine.parallel + engine.max_queue)),
        *("--dtype", engine.dtype_for(weights)),
        # Never another format of the folder: pickles run code.
        *("--load-format", "safetensors"),
        *("--shutdown-timeout", str(engine.drain)),
        *("--sse-keep-alive-interval", str(KEEP_ALIVE)),
        *("--max-log-len", "0"),
        "--enable-prefix-caching",
        "--disable-fastapi-docs",
        "--disable-uvicorn-access-log",
    ]
    given += _memory(engine, model)
    if engine.gpus > 1:
        given += ["--tensor-parallel-size", str(engine.gpus)]
    if engine.kv_cache_type != "auto":
        given += ["--kv-cache-dtype", engine.kv_cache_type]
    if quantization := quantization_flag(engine.quantization, weights, name, engine.gpus):
        given += ["--quantization", quantization]
    if engine.eager:
        given += ["--enforce-eager"]
    if engine.trust_remote_code:
        given += ["--trust-remote-code"]
    return (*given, *_words(engine, model))


def _memory(engine: Vllm, model: Model) -> list[str]:
    if engine.gpus and engine.kv_cache_memory is None:
        return ["--gpu-memory-utilization", str(engine.gpu_memory_utilization)]
    # Left alone on a CPU, it takes nine tenths of the machine.
    return ["--kv-cache-memory-bytes", str(engine.pool_bytes(model))]


def _words(engine: Vllm, model: Model) -> list[str]:
    """How the model is spoken to, and how its tool calls and thoughts are read."""
    given = []
    if model.chat_template is not None:
        given += ["--chat-template", f"{FILES_DIRECTORY}/{CHAT_TEMPLATE}"]
    if model.reasoning_parser:
        given += ["--reasoning-parser", model.reasoning_parser]
    if engine.calls_tools(model) and model.tool_parser:
        parser = SHIPPED_PARSERS.get(model.tool_parser, model.tool_parser)
        given += ["--enable-auto-tool-choice", "--tool-call-parser", parser]
        if model.tool_parser in SHIPPED_PARSERS:
            given += ["--tool-parser-plugin", f"{FILES_DIRECTORY}/{TOOL_PARSERS}"]
    return given
