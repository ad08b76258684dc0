"""The Ollama engine as a pure function: what it asks of a target, and what it refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest
from pydantic import ValidationError

from components.catalog import catalog
from components.engines.ollama import Ollama
from components.models import Model
from components.workload import Workload
from tests.unit.models_samples import HUB, LIBRARY, gguf, model

pytestmark = pytest.mark.unit

IMAGES = {"ollama": "sha256:" + "a" * 64, "fetch": "sha256:" + "b" * 64}


def ollama(**changes: Any) -> Ollama:
    return Ollama.model_validate({"kind": "ollama", "target": "local", "model": "tiny-0.5b"} | changes)


def workload(a_model: Model | None = None, **changes: Any) -> Workload:
    return ollama(**changes).workload("chat", a_model or model(), IMAGES)


def jobs(service: Workload) -> tuple[Workload, Workload]:
    fetch, importing = service.volumes[0].fill
    return fetch, importing


def test_every_setting_reaches_the_server() -> None:
    env = workload(
        port=12000,
        parallel=2,
        loaded_models=3,
        flash_attention=True,
        keep_alive="1h30m",
        context_length=2048,
        max_queue=7,
        kv_cache_type="q8_0",
        load_timeout=90,
    ).env
    assert env["OLLAMA_HOST"] == "0.0.0.0:12000"
    assert env["OLLAMA_NUM_PARALLEL"] == "2"
    assert env["OLLAMA_MAX_LOADED_MODELS"] == "3"
    assert env["OLLAMA_FLASH_ATTENTION"] == "1"
    assert env["OLLAMA_KEEP_ALIVE"] == "1h30m"
    assert env["OLLAMA_CONTEXT_LENGTH"] == "2048"
    assert env["OLLAMA_MAX_QUEUE"] == "7"
    assert env["OLLAMA_KV_CACHE_TYPE"] == "q8_0"
    assert env["OLLAMA_LOAD_TIMEOUT"] == "90s"


def test_the_server_has_no_cloud_no_way_out_and_no_writable_weights() -> None:
    service = workload()
    assert service.env["OLLAMA_NO_CLOUD"] == "1"
    assert service.env["OLLAMA_NOPRUNE"] == "1"
    assert not service.egress
    assert service.user >= 10000
    assert [(v.path, v.read_only, v.keep) for v in service.volumes] == [("/models", True, True)]
    assert [s.path for s in service.scratch] == ["/tmp"]


def test_only_the_first_of_the_filling_jobs_may_go_out() -> None:
    fetch, importing = jobs(workload())
    assert (fetch.egress, importing.egress) == (True, False)
    assert (fetch.image, importing.image) == (IMAGES["fetch"], IMAGES["ollama"])
    assert importing.env["OLLAMA_HOST"].startswith("127.0.0.1:")
    assert [v.read_only for v in importing.volumes] == [False]


def test_the_volumes_name_follows_the_weights() -> None:
    assert workload().volumes[0].name == "ollama-" + "1" * 12
    assert workload(model(sha256="9" * 64)).volumes[0].name == "ollama-" + "9" * 12


def test_the_import_asks_for_name_template_and_as_many_threads_as_there_are_cores() -> None:
    files = {f.name: f.content for f in jobs(workload(cpus=1.5))[1].files}
    wanted = json.loads(files["create.json"])
    assert wanted["model"] == "tiny-0.5b"
    assert "<tools>" in wanted["template"]
    assert wanted["parameters"] == {"num_thread": 2}
    assert wanted["stream"] is False


def test_a_library_model_keeps_the_librarys_own_template() -> None:
    files = {f.name: f.content for f in jobs(workload(model(sources=[LIBRARY], template=None)))[1].files}
    assert "template" not in json.loads(files["create.json"])


def test_a_file_without_template_is_refused_because_chats_would_run_raw() -> None:
    with pytest.raises(ValueError, match=r"takes no chat template from a GGUF file.*chatml-tools"):
        workload(model(template=None))


def test_a_base_model_needs_no_template() -> None:
    files = {f.name: f.content for f in jobs(workload(model(template=None, capabilities=())))[1].files}
    assert "template" not in json.loads(files["create.json"])


def test_other_formats_than_gguf_are_refused() -> None:
    folder = gguf(file="model.safetensors", sources=[HUB | {"file": None}]) | {"format": "safetensors"}
    with pytest.raises(ValueError, match=r"has no weights as gguf for cpu; it has bf16 \(safetensors\)"):
        workload(model(weights={"bf16": folder}))


def test_a_context_beyond_the_models_own_is_refused_with_both_numbers() -> None:
    with pytest.raises(ValueError, match=r"context_length 65536 is more than the 32768 tokens"):
        workload(context_length=65536)


def test_without_a_memory_setting_the_limit_is_what_the_model_needs() -> None:
    # 500 MB + 4 x 4096 x 12 KiB + buffers (4 % of the weights, 512 x 4096 x 6 bytes) + 160 + 4 x 80 MiB, steps of 128.
    qwen = model(vocabulary=151_936)
    assert ollama().footprint(qwen).host_mib == 477 + 192 + 32 + 480
    assert workload(qwen).resources.memory_mib == 1280


def test_a_larger_vocabulary_and_an_output_layer_that_is_the_embeddings_need_more() -> None:
    # Gemma 3 270M with four requests of 4096 tokens held to JSON: 1143 MiB measured, and killed at 896.
    gemma = catalog().models["gemma-3-270m"]
    predicted = ollama(model="gemma-3-270m").footprint(gemma)
    assert predicted.host_mib == pytest.approx(1143 * 1.05, rel=0.05)
    own = gemma.model_copy(update={"tied_width": None})
    assert ollama(model="gemma-3-270m").footprint(own).host_mib == predicted.host_mib - 170


def test_bad_config_35_a_limit_below_the_need_is_refused_with_the_numbers_and_the_fix() -> None:
    with pytest.raises(ValueError, match=r"memory limit 512Mi is below the 1365 MiB that tiny-0.5b needs") as refused:
        workload(memory="512Mi")
    assert "477 MiB of weights, 192 MiB of key-value cache" in str(refused.value)
    assert "or lower parallel or context_length" in str(refused.value)
    assert "Set memory to 1408Mi" in str(refused.value)
    assert workload(memory="1408Mi").resources.memory_mib == 1408


def test_a_quantised_cache_needs_less_memory_and_more_requests_need_more() -> None:
    need = ollama().footprint(model()).host_mib
    assert ollama(kv_cache_type="q8_0").footprint(model()).host_mib < need
    assert ollama(parallel=8).footprint(model()).host_mib > need
    assert ollama(gpus=1, parallel=64).footprint(model()).host_mib < ollama(parallel=64).footprint(model()).host_mib


def test_what_a_gpu_holds_is_more_than_what_a_cpu_would() -> None:
    gpu, cpu = ollama(gpus=1).footprint(model()), ollama().footprint(model())
    assert (gpu.device, cpu.device) == ("vram", "ram")
    assert gpu.device_mib > cpu.device_mib
    # Buffers and CUDA are on each of several GPUs; weights and cache are divided among them.
    two = ollama(gpus=2).footprint(model())
    assert two.overhead_mib == 2 * gpu.overhead_mib
    assert two.weights_mib + two.kv_cache_mib == gpu.weights_mib + gpu.kv_cache_mib


def test_without_flash_attention_buffers_grow_with_the_context() -> None:
    def overhead(**settings: Any) -> int:
        return ollama(**settings).footprint(model()).overhead_mib

    grown = overhead(context_length=32_768) - overhead()
    assert overhead(context_length=32_768, flash_attention=False) - overhead(flash_attention=False) > 5 * grown


def test_a_sliding_window_is_counted_with_what_is_computed_at_once() -> None:
    windowed = model(window=1024, full_attention_layers=4)
    cache = ollama(parallel=1, context_length=8192).footprint(windowed).kv_cache_mib
    layer = windowed.kv_bytes_per_token // windowed.layers
    assert cache == -(-layer * (4 * 8192 + (windowed.layers - 4) * (1024 + 512)) // 2**20)


def test_caches_that_no_limit_counts_are_off() -> None:
    """Newer servers keep up to 8 GiB of old prompts in main memory by default: the kernel would kill the engine."""
    env = workload().env
    assert (env["LLAMA_ARG_CACHE_RAM"], env["LLAMA_ARG_CTX_CHECKPOINTS"]) == ("0", "0")
    with pytest.raises(ValueError, match=r"env\.LLAMA_ARG_CACHE_RAM is reserved: the memory limit does not count it"):
        workload(env={"LLAMA_ARG_CACHE_RAM": "4096"})


@pytest.mark.parametrize(
    ("memory", "advice"),
    [
        ("4GB ", "use 4Gi"),
        ("4g", "use 4Gi"),
        ("4 Gi", "use 4Gi"),
        ("4096", "use 4096Mi"),
        ("lots", "use 4Gi"),
        ("0Gi", "use"),
    ],
)
def test_bad_config_36_a_wrong_unit_is_refused_with_the_right_one(memory: str, advice: str) -> None:
    with pytest.raises(ValidationError, match=advice):
        ollama(memory=memory)


@pytest.mark.parametrize("memory", ["4Gi", "1.5Gi", "4096Mi"])
def test_memory_is_written_in_mi_or_gi(memory: str) -> None:
    assert ollama(memory=memory).memory == memory


@pytest.mark.parametrize(
    ("given", "sent"),
    [("5m", "5m"), (300, "300s"), (-1, "-1"), ("-1", "-1"), ("-5", "-1"), ("1h30m", "1h30m"), (0, "0s")],
)
def test_keep_alive_is_seconds_or_a_go_duration_or_for_ever(given: object, sent: str) -> None:
    assert ollama(keep_alive=given).keep_alive == sent


@pytest.mark.parametrize("given", ["5 minutes", "soon", True, 1.5, "5d"])
def test_a_duration_go_does_not_read_is_refused(given: object) -> None:
    with pytest.raises(ValidationError, match="is not a duration"):
        ollama(keep_alive=given)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("OLLAMA_HOST", "expose the gateway"),
        ("OLLAMA_MODELS", "the weights volume decides it"),
        ("OLLAMA_NO_CLOUD", "cloud features stay off"),
        ("OLLAMA_ORIGINS", "gateway.origins"),
        ("OLLAMA_DEBUG_LOG_REQUESTS", "prompts"),
        ("OLLAMA_NUM_PARALLEL", "set 'parallel' instead"),
        ("LD_PRELOAD", "which code runs"),
        ("LD_LIBRARY_PATH", "which code runs"),
        ("PATH", "which programs run"),
        ("bad name", "which code runs"),
    ],
)
def test_bad_config_48_reserved_variables_are_refused_with_the_reason(name: str, words: str) -> None:
    with pytest.raises(ValidationError, match=rf"env\.{name} is reserved.*{words}"):
        ollama(env={name: "1"})


def test_other_variables_pass() -> None:
    assert workload(env={"OLLAMA_GPU_OVERHEAD": "0"}).env["OLLAMA_GPU_OVERHEAD"] == "0"


def test_bad_config_47_arguments_are_not_free() -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        ollama(extra_args=["--host", "0.0.0.0"])


def test_a_quantised_cache_without_flash_attention_is_refused() -> None:
    with pytest.raises(ValidationError, match="needs flash_attention"):
        ollama(kv_cache_type="q4_0", flash_attention=False)


@pytest.mark.parametrize("gpus", [0.5, -1, "many"])
def test_bad_config_31_gpus_are_whole(gpus: object) -> None:
    with pytest.raises(ValidationError):
        ollama(gpus=gpus)


def test_the_probe_asks_for_a_token_first_and_each_half_minute_only_when_the_model_stays_loaded() -> None:
    for keep_alive, mode in (("5m", "first"), (-1, "always")):
        probe = workload(keep_alive=keep_alive).probe
        assert probe is not None
        assert probe.command == ("bash", "/etc/slm/probe.sh", "tiny-0.5b", mode, "295")
        assert probe.startup == 300


def test_the_gateway_is_told_the_openai_paths_and_none_that_changes_models() -> None:
    engine = ollama()
    assert ("POST", "/v1/chat/completions") in engine.paths
    assert not any(path.startswith("/api/") for _, path in engine.paths)
    assert engine.served_models(model()) == ("tiny-0.5b",)
    assert engine.concurrency == engine.parallel


def test_long_engine_names_still_give_jobs_valid_names() -> None:
    name = "a" * 40
    fetch, importing = ollama().workload(name, model(), IMAGES).volumes[0].fill
    assert {len(fetch.name), len(importing.name)} == {40}


@pytest.mark.parametrize("script", ["drain", "http", "probe", "import", "serve"])
def test_the_scripts_are_valid_bash(script: str) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    service = workload()
    files = {f.name: f.content for w in (service, *jobs(service)) for f in w.files}
    checked = subprocess.run([bash, "-n"], input=files[f"{script}.sh"], text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
