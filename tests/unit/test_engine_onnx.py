"""The ONNX engine as a pure function: what it asks of a target, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from components.engines.onnx import OWN_FIELD, Onnx
from components.models import Model
from components.workload import Workload
from servers.onnx.slm_onnx.settings import Settings, read
from tests.unit.models_samples import HUB, model

pytestmark = pytest.mark.unit

IMAGES = {role: "sha256:" + letter * 64 for role, letter in (("onnx", "a"), ("onnx-cuda", "b"), ("fetch", "c"))}
FILES = [{"path": "genai_config.json", "size_bytes": 1500, "sha256": "1" * 64}]


def folder(device: str) -> dict[str, Any]:
    source = {key: value for key, value in HUB.items() if key != "file"} | {"folder": device}
    return {
        "format": "onnx",
        "precision": "int4",
        "device": device,
        "size_bytes": 800 * 2**20,
        "files": FILES,
        "sources": [source],
    }


def a_model(**changes: Any) -> Model:
    return model(weights={"onnx-cpu": folder("cpu"), "onnx-cuda": folder("cuda")}, vocabulary=100_000, **changes)


def onnx(**changes: Any) -> Onnx:
    return Onnx.model_validate({"kind": "onnx", "target": "local", "model": "tiny-0.5b"} | changes)


def workload(**changes: Any) -> Workload:
    return onnx(**changes).workload("chat", a_model(), IMAGES)


def test_every_setting_reaches_the_server_under_the_servers_own_names() -> None:
    env = workload(
        port=12000,
        parallel=2,
        context_length=2048,
        max_queue=7,
        batching="library",
        prefill_chunk=64,
        prefix_cache=False,
        served_model_name="other",
        cpus=3.5,
        drain=30,
    ).env
    told = read([], env)
    assert (told.port, told.parallel, told.context_length, told.max_queue) == (12000, 2, 2048, 7)
    assert (told.batching, told.prefill_chunk, told.prefix_cache) == ("library", 64, False)
    assert (told.model, told.threads, told.drain_seconds, told.providers) == ("other", 4, 28, ("cpu",))
    assert str(told.folder) == "/models/onnx"
    assert {key.removeprefix("SLM_ONNX_").lower() for key in env} <= set(Settings.model_fields)


def test_the_weights_are_read_only_and_nothing_else_is_writable_but_tmp() -> None:
    service = workload()
    assert [volume.read_only for volume in service.volumes] == [True]
    assert [scratch.path for scratch in service.scratch] == ["/tmp"]
    assert not service.egress
    assert service.user == 10001


def test_a_gpu_takes_the_image_the_weights_and_the_provider_for_it() -> None:
    engine = onnx(gpus=1)
    assert engine.roles(a_model())[0] == "onnx-cuda"
    assert engine.weights_of(a_model())[0] == "onnx-cuda"
    assert workload(gpus=1).env["SLM_ONNX_PROVIDERS"] == "cuda"
    assert workload(gpus=1, providers=["cuda", "cpu"]).env["SLM_ONNX_PROVIDERS"] == "cuda,cpu"
    assert engine.footprint(a_model()).device == "vram"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"providers": ["cuda"]}, "needs a GPU"),
        ({"providers": ["cpu"], "gpus": 1}, "would stay idle"),
        ({"providers": ["cpu", "cpu"]}, "each one once"),
        ({"gpus": 2}, "runs a model on one"),
        ({"gpus": 1, "batching": "slots"}, "for CPUs"),
        ({"env": {"SLM_ONNX_FOLDER": "/x"}}, "own volume"),
        ({"env": {"LD_PRELOAD": "x"}}, "reserved"),
        ({"parallel": 0}, "parallel"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        onnx(**changes)


@pytest.mark.parametrize("name", OWN_FIELD)
def test_what_has_a_field_is_no_environment_variable(name: str) -> None:
    with pytest.raises(ValidationError, match=f"set '{OWN_FIELD[name]}' instead"):
        onnx(env={name: "1"})


def test_a_context_beyond_the_models_own_is_refused() -> None:
    with pytest.raises(ValueError, match="32768"):
        onnx(context_length=40_000).workload("chat", a_model(), IMAGES)


def test_a_model_without_an_onnx_folder_is_refused() -> None:
    with pytest.raises(ValueError, match="onnx"):
        onnx().footprint(model())


def test_memory_counts_32_bit_keys_and_values_and_the_logits_of_a_piece_of_prompt() -> None:
    need = onnx(parallel=2, context_length=1024, prefill_chunk=512).footprint(a_model())
    assert need.weights_mib == 800
    assert need.kv_cache_mib == 2 * 1024 * 24 * 2 * 2 * 64 * 4 // 2**20
    more = onnx(parallel=2, context_length=1024, prefill_chunk=1024).footprint(a_model())
    assert more.overhead_mib - need.overhead_mib in (195, 196)
    assert need.host_mib == need.device_mib
    with pytest.raises(ValueError, match="prefill_chunk"):
        onnx(memory="512Mi").memory_mib(a_model())


def test_a_models_own_chat_template_goes_along() -> None:
    told = onnx().workload("chat", a_model(chat_template="{{ messages }}"), IMAGES)
    assert [file.name for file in told.files] == ["probe.sh", "chat_template.jinja"]
    assert read([], told.env).chat_template == Path("/etc/slm/chat_template.jinja")
    assert [file.name for file in workload().files] == ["probe.sh"]


def test_metrics_and_probes_are_not_for_clients() -> None:
    assert {path for _, path in onnx().paths} == {"/v1/chat/completions", "/v1/completions", "/reasoning"}


def test_the_probe_needs_ready_once_and_then_live(tmp_path: Path) -> None:
    statuses = {"/ready": 503, "/live": 200}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(statuses[self.path])
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    script = workload().files[0].content.replace("ready=/tmp/ready", f"ready={tmp_path}/ready")

    def probe() -> int:
        command = ["bash", "-c", script, "probe", str(server.server_port)]
        return subprocess.run(command, env=os.environ, check=False).returncode

    try:
        assert probe() != 0
        statuses["/ready"] = 200
        assert probe() == 0
        statuses["/ready"] = 503
        assert probe() == 0
        statuses["/live"] = 500
        assert probe() != 0
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    statuses["/live"] = 200
    assert probe() != 0
