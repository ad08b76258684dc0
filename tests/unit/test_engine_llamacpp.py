"""The llama.cpp engine as a pure function: what it asks of a target, and what it refuses."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from components.engines.llamacpp import LlamaCpp
from components.models import Model
from components.workload import Workload
from ops.images.build import base_suite
from tests.unit.models_samples import model

pytestmark = pytest.mark.unit

IMAGES = {role: "sha256:" + digit * 64 for role, digit in (("llamacpp", "a"), ("llamacpp-cuda", "b"), ("fetch", "c"))}


def llamacpp(**changes: Any) -> LlamaCpp:
    return LlamaCpp.model_validate({"kind": "llamacpp", "target": "local", "model": "tiny-0.5b"} | changes)


def workload(a_model: Model | None = None, **changes: Any) -> Workload:
    return llamacpp(**changes).workload("chat", a_model or model(), IMAGES)


def arguments(service: Workload) -> Mapping[str, str]:
    """Each argument with the word after it."""
    return dict(zip(service.args, (*service.args[1:], ""), strict=True))


def test_every_setting_reaches_the_server() -> None:
    given = arguments(
        workload(
            port=12000,
            parallel=3,
            context_length=2048,
            kv_cache_type="q8_0",
            prompt_cache="512Mi",
            cpus=2.5,
            served_model_name="small",
        )
    )
    assert given["--port"] == "12000"
    assert given["--parallel"] == "3"
    assert given["--ctx-size"] == "6144", "the server divides it among the requests"
    assert given["--cache-type-k"] == given["--cache-type-v"] == "q8_0"
    assert given["--cache-ram"] == "512"
    assert given["--threads"] == given["--threads-batch"] == "3"
    assert given["--alias"] == "small"
    assert given["--model"] == "/models/gguf/tiny.gguf"


def test_it_never_fetches_shrinks_or_shows_other_requests() -> None:
    service = workload()
    for switch in ("--offline", "--no-slots", "--no-webui", "--metrics", "--jinja", "--no-kv-unified"):
        assert switch in service.args
    assert arguments(service)["--fit"] == "off"
    assert not any(word.startswith(("--api-key", "--props", "--hf", "--tools", "--models")) for word in service.args)


def test_weights_are_read_only_and_only_the_job_that_brings_them_may_go_out() -> None:
    service = workload()
    (store,) = service.volumes
    (fetch,) = store.fill
    assert (store.path, store.read_only, store.keep, store.name) == ("/models/gguf", True, True, "gguf-111111111111")
    assert (service.egress, fetch.egress) == (False, True)
    assert service.user >= 10000
    assert [s.path for s in service.scratch] == ["/tmp"]


def test_it_takes_the_weights_own_chat_template_unless_the_model_has_one() -> None:
    assert "--chat-template-file" not in workload().args
    service = workload(model(chat_template="chatml-fenced-tools"))
    assert arguments(service)["--chat-template-file"] == "/etc/slm/chat-template.jinja"
    assert "```json" in next(f.content for f in service.files if f.name == "chat-template.jinja")


def test_on_gpus_it_takes_their_image_names_them_and_puts_every_layer_there() -> None:
    service = workload(gpus=2)
    given = arguments(service)
    assert (service.image, service.gpus) == (IMAGES["llamacpp-cuda"], 2)
    assert (given["--device"], given["--n-gpu-layers"]) == ("CUDA0,CUDA1", "all")
    assert llamacpp(gpus=1).roles(model()) == ("llamacpp-cuda", "fetch")
    assert llamacpp().roles(model()) == ("llamacpp", "fetch")
    assert "--device" not in workload().args


def test_a_context_beyond_the_models_own_is_refused_with_both_numbers() -> None:
    with pytest.raises(ValueError, match=r"context_length 65536 is more than the 32768 tokens"):
        workload(context_length=65536)


def test_memory_is_weights_caches_and_the_server() -> None:
    # 477 MiB of weights, 4 x 4096 x 12 KiB of cache, 80 MiB and a twentieth of the weights for the server.
    need = llamacpp().footprint(model())
    assert (need.weights_mib, need.kv_cache_mib, need.overhead_mib, need.host_mib) == (477, 192, 104, 773)
    assert workload().resources.memory_mib == 896
    with pytest.raises(ValueError, match=r"memory limit 512Mi is below the 773 MiB that tiny-0.5b needs") as refused:
        workload(memory="512Mi")
    assert "parallel, context_length or prompt_cache" in str(refused.value)


def test_a_quantised_cache_needs_less_and_more_requests_or_a_prompt_cache_need_more() -> None:
    need = llamacpp().footprint(model()).host_mib
    assert llamacpp(kv_cache_type="q8_0").footprint(model()).host_mib < need
    assert llamacpp(parallel=8).footprint(model()).host_mib == need + 192
    assert llamacpp(prompt_cache="1Gi").footprint(model()).host_mib == need + 1024


def test_a_sliding_window_is_honoured_with_the_batch_beside_it_and_its_checkpoints() -> None:
    full, windowed = model(), model(window=512, full_attention_layers=4)
    small, large = (llamacpp().footprint(m).kv_cache_mib for m in (windowed, full))
    # 4 of 24 layers see 4096 tokens, the others 512 and a batch of 512: 32 + 40 of 192 MiB.
    assert (small, large) == (72, 192)
    assert llamacpp().footprint(windowed).overhead_mib - llamacpp().footprint(full).overhead_mib == 40


def test_with_a_gpu_the_model_is_accounted_there_and_little_main_memory_is_left_to_need() -> None:
    need = llamacpp(gpus=1).footprint(model())
    assert need.device == "vram"
    assert need.device_mib > llamacpp().footprint(model()).device_mib
    assert need.host_mib == 80 + 512 + 144


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("LLAMA_ARG_N_PARALLEL", "set 'parallel' instead"),
        ("LLAMA_ARG_HOST", "decided by the engine class"),
        ("LLAMA_API_KEY", "the gateway holds the keys"),
        ("HF_TOKEN", "never fetches"),
        ("LD_PRELOAD", "which code runs"),
        ("GGML_BACKEND_PATH", "which code runs"),
    ],
)
def test_bad_config_48_reserved_variables_are_refused_with_the_reason(name: str, words: str) -> None:
    with pytest.raises(ValidationError, match=rf"env\.{name} is reserved.*{words}"):
        llamacpp(env={name: "1"})


def test_the_gateway_is_told_the_paths_and_none_that_shows_or_changes_the_server() -> None:
    engine = llamacpp()
    assert {path for _, path in engine.paths} == {"/v1/chat/completions", "/v1/completions", "/v1/responses"}
    assert "embeddings" not in engine.capabilities
    assert (engine.liveness_path, engine.concurrency) == ("/health", 4)


def test_the_probe_and_the_drain_know_the_port_and_their_time() -> None:
    service = workload(port=9000, startup=100, drain=30)
    assert service.probe is not None
    assert service.probe.command == ("bash", "/etc/slm/probe.sh", "9000", "95")
    assert service.command == ("bash", "/etc/slm/serve.sh", "9000", "30")


@pytest.mark.parametrize("script", ["serve.sh", "drain.sh", "probe.sh"])
def test_the_scripts_are_valid_bash(script: str) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    content = next(f.content for f in workload().files if f.name == script)
    checked = subprocess.run([bash, "-n"], input=content, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_a_server_that_ends_by_itself_ends_the_container_with_its_exit_code(tmp_path: Any) -> None:
    server = tmp_path / "llama-server"
    server.write_text("#!/bin/sh\nexit 7\n")
    server.chmod(0o755)
    for file in workload().files:
        (tmp_path / file.name).write_text(file.content)
    script = tmp_path / "serve.sh"
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(["bash", script, "1", "1", "--x"], env={"PATH": path}, timeout=60, check=False)
    assert done.returncode == 7


def test_its_image_is_built_on_a_base_that_its_packages_can_be_put_on() -> None:
    assert base_suite("llamacpp", "2.36") == "trixie"
    assert base_suite("haproxy", "2.36") == "bookworm"
