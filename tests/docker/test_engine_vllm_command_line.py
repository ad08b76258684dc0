"""Our command lines and our tool parsers, read by the real vLLM of the site's image; no model is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import docker
import pytest
from rich.console import Console

from components.catalog import catalog
from components.engines import vllm_files
from ops.images.build import Builder
from tests.unit.vllm_samples import model, phi, release, workload

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

SCRIPT = Path(__file__).with_name("vllm_cli.py").read_text()
LINES = {
    "cpu": workload(),
    "gpu": workload(phi(), model="phi4-mini", gpus=1, context_length=8192, parallel=8, gpu_memory_utilization=0.8),
    "gpus": workload(model(reasoning_parser="qwen3"), gpus=2, kv_cache_type="fp8", quantization="fp8_per_tensor"),
    "sized": workload(gpus=1, kv_cache_memory="4Gi", dtype="bfloat16", enforce_eager=True, trust_remote_code=True),
}
CALL = ["func", "tools", "[", '{"name": "area", "argu', 'ments": {"list": [1, 2], "text": "a]b"}}', "]"]


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    client = docker.from_env()
    row = catalog().images["vllm-cpu"]
    builder = Builder(client, Console(quiet=True))
    request = {
        "lines": [list(service.args) for service in LINES.values()],
        "parser": "phi4_mini_functools",
        "plugin": Path(vllm_files.HERE / "vllm_tool_parsers.py").read_text(),
        "pieces": [CALL, ["import func", "tools\n", "functools", ".reduce(", ")"]],
    }
    output = client.containers.run(
        builder.present("vllm-cpu", row) or builder.build("vllm-cpu", row),
        ["-c", SCRIPT, "check", json.dumps(request)],
        entrypoint=["python3"],
        environment={"HOME": "/tmp"},
        tmpfs={"/tmp": ""},
        network_mode="none",
        remove=True,
        stderr=False,
    )
    client.close()
    understood: dict[str, Any] = json.loads(output.decode()[output.decode().index("{\n") :])
    return understood


def test_the_facts_our_unit_tests_rest_on_are_this_releases(found: dict[str, Any]) -> None:
    assert found["facts"] == release(found["facts"]["version"]), "make it again: see docs/vllm.md"


def test_the_real_parser_reads_every_shape_as_it_is_meant(found: dict[str, Any]) -> None:
    cpu, gpu, gpus, sized = found["understood"]
    assert (cpu["max_model_len"], cpu["max_num_seqs"], cpu["dtype"]) == (4096, 4, "float32")
    assert cpu["kv_cache_memory_bytes"] == (4 * 4096 + 128) * 24 * 1024
    assert cpu["enforce_eager"] is True
    assert (gpu["max_model_len"], gpu["gpu_memory_utilization"]) == (8192, 0.8)
    assert gpu["enable_auto_tool_choice"] is True
    assert gpu["shutdown_timeout"] == 120
    assert (gpus["tensor_parallel_size"], gpus["kv_cache_dtype"], gpus["quantization"]) == (2, "fp8", "fp8_per_tensor")
    assert sized["kv_cache_memory_bytes"] == 4 * 1024**3
    assert sized["trust_remote_code"] is True
    for line in found["understood"]:
        assert line["load_format"] == "safetensors"
        assert line["disable_fastapi_docs"] is True
        assert "api_key" not in line


def test_our_parser_finds_the_call_whole_and_streamed_where_vllms_own_loses_it(found: dict[str, Any]) -> None:
    call = found["streamed"][0]
    assert [name for name, _ in call["whole"]] == ["area"]
    assert json.loads(call["whole"][0][1]) == {"list": [1, 2], "text": "a]b"}
    assert call["calls"] == [[0, *call["whole"][0]]]
    assert call["text"] == ""


def test_the_opening_word_in_ordinary_text_stays_text(found: dict[str, Any]) -> None:
    text = found["streamed"][1]
    assert text["calls"] == text["whole"] == []
    assert text["text"] == text["whole_text"] == "import functools\nfunctools.reduce()"
