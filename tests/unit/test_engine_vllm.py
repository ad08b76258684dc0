"""The vLLM engine as a pure function: what it asks of a target, and what it refuses."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest
from pydantic import ValidationError

from components.engines.vllm import Vllm
from components.engines.vllm_environment import OWN_FIELD, RESERVED
from components.settings.problems import SettingsError
from tests.unit.settings_base import load_changed
from tests.unit.vllm_samples import IMAGES, model, phi, vllm, workload

pytestmark = pytest.mark.unit


def test_the_image_is_the_devices() -> None:
    assert workload().image == IMAGES["vllm-cpu"]
    assert workload(gpus=1).image == IMAGES["vllm"]
    assert vllm(gpus=1).roles(model()) == ("vllm", "fetch")
    assert workload(gpus=2).gpus == 2


def test_it_runs_as_the_images_user_with_read_only_weights_and_nothing_else_writable_but_scratch_and_caches() -> None:
    service = workload()
    assert (service.user, service.group) == (2000, 10001)
    assert not service.egress
    weights, cache = service.volumes
    assert (weights.path, weights.read_only, weights.keep) == ("/models/huggingface", True, True)
    assert weights.name.startswith("hf-")
    assert [job.egress for job in weights.fill] == [True]
    assert (cache.path, cache.read_only, cache.fill) == ("/cache", False, ())
    assert {s.path: s.executable for s in service.scratch} == {"/tmp": False, "/home/vllm": True}


def test_caches_are_shared_neither_by_engines_nor_by_versions() -> None:
    def cache(name: str, image: str) -> str:
        return vllm().workload(name, model(), IMAGES | {"vllm-cpu": f"sha256:{image * 64}"}).volumes[1].name

    names = {cache(name, image) for name in ("chat", "code", "a" * 39 + "b", "a" * 39 + "c") for image in "12"}
    assert len(names) == 8
    assert cache("chat", "1") == cache("chat", "1")
    assert max(map(len, names)) <= 40


def test_nothing_is_reported_fetched_or_stored_outside_its_directories() -> None:
    env = workload().env
    assert env["HF_HUB_OFFLINE"] == env["VLLM_NO_USAGE_STATS"] == env["DO_NOT_TRACK"] == "1"
    assert env["VLLM_CACHE_ROOT"].startswith("/cache/")
    assert env["HOME"] == "/home/vllm"
    assert env["VLLM_MAX_N_SEQUENCES"] == "4"
    assert workload(parallel=500).env["VLLM_MAX_N_SEQUENCES"] == "64"
    assert not {"VLLM_PORT", "VLLM_SERVER_DEV_MODE", "HF_TOKEN", "VLLM_API_KEY"} & env.keys()


def test_a_hub_token_is_for_the_fetch_job_alone() -> None:
    hub = {"kind": "huggingface", "repo": "maker/tiny", "revision": "e" * 40, "folder": "", "token_secret": "hub"}
    weights = model().weights["safetensors-bf16"].model_dump(mode="json") | {"sources": [hub]}
    service = workload(model(gated=True, weights={"safetensors-bf16": weights}))
    (fetch,) = service.volumes[0].fill
    assert [secret.secret for secret in fetch.secrets] == ["hub"]
    assert service.secrets == ()


def test_threads_are_as_many_as_the_cpus_and_free_to_move() -> None:
    env = workload(cpus=3.5).env
    assert (env["VLLM_CPU_OMP_THREADS_BIND"], env["OMP_NUM_THREADS"]) == ("nobind", "4")
    assert not {"VLLM_CPU_OMP_THREADS_BIND", "OMP_NUM_THREADS"} & workload(gpus=1).env.keys()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("VLLM_PORT", "expose the gateway"),
        ("VLLM_SERVER_DEV_MODE", "put the engine to sleep"),
        ("VLLM_ALLOW_RUNTIME_LORA_UPDATING", "lifts a restriction"),
        ("VLLM_ALLOW_INSECURE_SERIALIZATION", "lifts a restriction"),
        ("VLLM_API_KEY", "gateway holds the door"),
        ("VLLM_CPU_KVCACHE_SPACE", "set 'kv_cache_memory' instead"),
        ("VLLM_LOGGING_LEVEL", "prompts"),
        ("HF_TOKEN", "token_secret"),
        ("HF_HUB_OFFLINE", "fetch job"),
        ("HF_ENDPOINT", "fetch job"),
        ("LD_PRELOAD", "which code runs"),
        ("PYTHONPATH", "which code runs"),
        ("PATH", "which programs run"),
        ("bad name", "which code runs"),
    ],
)
def test_bad_config_48_reserved_variables_are_refused_with_the_reason(name: str, words: str) -> None:
    with pytest.raises(ValidationError, match=rf"env\.{name} is reserved.*{words}"):
        vllm(env={name: "1"})


def test_every_variable_it_sets_is_reserved() -> None:
    for gpus in (0, 1):
        for name in workload(gpus=gpus).env:
            with pytest.raises(ValidationError, match=rf"env\.{name} is reserved"):
                vllm(env={name: "1"})
    assert not OWN_FIELD.keys() & RESERVED.keys()


def test_other_variables_pass() -> None:
    assert workload(env={"VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "30"}).env["VLLM_HTTP_TIMEOUT_KEEP_ALIVE"] == "30"


@pytest.mark.parametrize(
    ("declared", "asked", "passed"),
    [
        (None, None, None),
        ("compressed-tensors", None, None),
        ("compressed-tensors", "compressed-tensors", None),
        ("awq", "awq", None),
        ("awq", "awq_marlin", None),
        ("gptq", "gptq_marlin", None),
        (None, "fp8_per_tensor", "fp8_per_tensor"),
    ],
)
def test_quantisation_is_read_from_the_weights_and_passed_only_when_vllm_is_to_quantise(
    declared: str | None, asked: str | None, passed: str | None
) -> None:
    args = workload(model(quantization=declared), gpus=1, quantization=asked).args
    assert ("--quantization" in args) is (passed is not None)
    assert passed is None or args[args.index("--quantization") + 1] == passed


@pytest.mark.parametrize(
    ("declared", "settings", "words"),
    [
        ("compressed-tensors", {"quantization": "awq", "gpus": 1}, "awq is asked for and weights 'safetensors-bf16'"),
        ("compressed-tensors", {"quantization": "fp8_per_tensor", "gpus": 1}, "leave quantization out"),
        (None, {"quantization": "awq", "gpus": 1}, "are not quantised"),
        (None, {"quantization": "fp8_per_tensor"}, "needs a GPU"),
        ("torchao", {"gpus": 1}, "the package torchao"),
        ("bitsandbytes", {"gpus": 1}, "no longer reads it"),
    ],
)
def test_a_quantisation_that_would_stop_vllm_at_its_start_is_refused(
    declared: str | None, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        workload(model(quantization=declared), **settings)


def test_the_seeds_awq_is_refused_for_weights_that_are_named_so_and_are_not() -> None:
    with pytest.raises(ValueError, match="quantised with compressed-tensors"):
        workload(phi(), model="phi4-mini", weights="safetensors-w4a16", quantization="awq", gpus=1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"gpu_memory_utilization": 0.8}, "gpu_memory_utilization is for GPUs and gpus is 0"),
        ({"gpu_memory_utilization": 0.8, "kv_cache_memory": "4Gi", "gpus": 1}, "has no effect"),
        ({"gpu_memory_utilization": 1.0, "gpus": 1}, "less than or equal to 0.98"),
        ({"startup": 299}, "greater than or equal to 300"),
        ({"dtype": "fp16"}, "Input should be"),
        ({"extra_args": ["--api-key", "x"]}, "Extra inputs are not permitted"),
        ({"max_num_seqs": 4}, "Extra inputs are not permitted"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        vllm(**settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"context_length": 65536}, "context_length 65536 is more than the 32768 tokens"),
        ({"kv_cache_memory": "64Mi"}, r"does not hold one request of 4096 tokens.*set at least 99Mi"),
        ({"gpus": 3}, "cannot share the 2 key-value heads"),
        ({"weights": "gguf-q4_k_m"}, "has no weights 'gguf-q4_k_m'"),
    ],
)
def test_what_the_model_cannot_do_is_refused_with_numbers_and_fix(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        workload(**settings)


def test_tools_are_read_when_the_model_has_them_and_never_promised_in_vain() -> None:
    assert "--enable-auto-tool-choice" in workload().args
    assert "--enable-auto-tool-choice" not in workload(tools=False).args
    assert "--enable-auto-tool-choice" not in workload(model(tool_parser=None)).args
    for unable in (model(tool_parser=None), model(capabilities=["chat"])):
        with pytest.raises(ValueError, match="tools: true, and nothing says how"):
            workload(unable, tools=True)


def test_memory_is_weights_at_the_computed_width_plus_the_pool_plus_the_server() -> None:
    wide, narrow = vllm().footprint(model()), vllm(dtype="bfloat16").footprint(model())
    assert (wide.weights_mib, narrow.weights_mib) == (1908, 954)
    assert (wide.kv_cache_mib, narrow.kv_cache_mib) == (387, 194)
    assert wide.host_mib == wide.device_mib == wide.weights_mib + wide.kv_cache_mib + wide.overhead_mib
    assert vllm(kv_cache_memory="2Gi").footprint(model()).kv_cache_mib == 2048
    assert vllm(parallel=8).footprint(model()).kv_cache_mib > wide.kv_cache_mib
    assert vllm(gpus=1, kv_cache_type="fp8").footprint(model()).kv_cache_mib == 97
    assert vllm(gpus=1).footprint(model()).device == "vram"


def test_the_seeds_eight_gigabytes_do_not_hold_its_model_on_a_cpu_and_the_numbers_say_so() -> None:
    with pytest.raises(ValueError, match=r"memory limit 8Gi is below the \d+ MiB that phi4-mini needs") as refused:
        workload(phi(), model="phi4-mini", memory="8Gi", cpus=4, weights="safetensors-bf16", dtype="bfloat16")
    assert "7317 MiB of weights, 2064 MiB of key-value cache" in str(refused.value)


def test_measured_memory_is_within_a_tenth_of_the_prediction() -> None:
    # Peak of the container with four full requests of 3931 and 1531 tokens, page cache included; the weights are
    # 1 260 367 448 bytes.
    for dtype, pool, measured in (("float32", "516Mi", 6602), ("bfloat16", "258Mi", 5129)):
        predicted = (
            vllm(dtype=dtype, kv_cache_memory=pool).footprint(model(size=1_260_367_448, vocabulary=151_936)).host_mib
        )
        assert predicted == pytest.approx(measured, rel=0.1), dtype


def test_the_limit_holds_the_weights_file_beside_the_weights() -> None:
    # With 5120 MiB vLLM 0.32.0 stopped: "Available memory (0.0/5.0 GiB) is less than requested memory for kv".
    engine = vllm(context_length=2048, parallel=2)
    assert engine.memory_mib(model(size=999_532_928, vocabulary=151_936)) > 5120


def test_the_gateway_is_told_inference_paths_only() -> None:
    engine = vllm(parallel=7)
    assert engine.paths == (
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/completions"),
        ("POST", "/v1/responses"),
    )
    assert engine.liveness_path == "/health"
    assert engine.concurrency == 7
    assert vllm(served_model_name="fast").served_models(model()) == ("fast",)


def test_the_probe_names_port_and_model_and_has_all_the_startup_time() -> None:
    probe = workload(port=12000, startup=600, served_model_name="fast").probe
    assert probe is not None
    assert probe.command == ("bash", "/etc/slm/probe.sh", "12000", "fast")
    assert probe.startup == 600


def test_the_probe_is_valid_bash() -> None:
    bash = shutil.which("bash")
    assert bash is not None
    script = workload().files[0].content
    checked = subprocess.run([bash, "-n"], input=script, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr


ENGINE = {"kind": "vllm", "target": "laptop", "model": "qwen2.5-coder-0.5b-instruct"}


def test_a_stack_file_may_say_vllm(tmp_path: Any) -> None:
    settings = load_changed({"engines": {"fast": {**ENGINE, "served_model_name": "fast"}}}, tmp_path)
    assert isinstance(settings.engines["fast"], Vllm)
    assert {"vllm-cpu", "convert", "fetch"} <= set(settings.roles())


def test_remote_code_needs_a_written_exception_for_that_engine(tmp_path: Any) -> None:
    engines = {"fast": {**ENGINE, "served_model_name": "fast", "trust_remote_code": True}}
    with pytest.raises(SettingsError, match=r"engines\.fast\.trust_remote_code: runs code that the model's publisher"):
        load_changed({"engines": engines}, tmp_path)
    row = {"control": 39, "resource": "fast", "reason": "reviewed at commit e1", "expires": "2999-01-01"}
    with pytest.raises(SettingsError, match=r"control 39, resource fast"):
        load_changed({"engines": engines, "security": {"exceptions": [row | {"resource": "other"}]}}, tmp_path)
    settings = load_changed({"engines": engines, "security": {"exceptions": [row]}}, tmp_path)
    assert "--trust-remote-code" in settings.hosted["fast"].workload("fast", settings.model_of("fast"), IMAGES).args
