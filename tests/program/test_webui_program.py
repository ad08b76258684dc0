"""Open WebUI as Pulumi sees it: published, among no engines, a key of its own, no secret in the clear."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.gateway import key_map
from tests.program.conftest import IMAGES, KEYS, Run
from tests.program.recorder import Recorder, is_secret

pytestmark = pytest.mark.program

SECRETS = {
    "webui-api-key": "slm-" + "w" * 43,
    "webui-admin-password": "slm-Password-for-tests-1",
    "webui-secret-key": "s" * 64,
}


def ran(run_program: Run, **webui: Any) -> Recorder:
    config = {
        "slm:images": json.dumps({**IMAGES, "webui": "sha256:" + "d" * 64}),
        "slm:webui": json.dumps({"target": "laptop", **webui}),
        "slm:webuiSecrets": json.dumps(SECRETS),
    }
    return run_program(config=config)


def uploads(recorder: Recorder, name: str) -> dict[str, Any]:
    found = recorder.inputs[name]["uploads"]
    found = found["value"] if is_secret(found) else found
    return {u["file"].rpartition("/")[2]: u["content"] for u in found}


def test_it_is_a_component_with_a_container_and_an_output_of_its_own(run_program: Run) -> None:
    recorder = ran(run_program)
    assert "slm:webui:openwebui" in {s.type for s in recorder.seen if s.is_component}
    assert {s.parent_type for s in recorder.seen if s.name in ("webui-container", "webui-files")} == {
        "slm:webui:openwebui"
    }
    assert "webui-container" not in run_program().inputs, "a stack that says nothing of it has none"


def test_control_09_it_is_published_on_loopback(run_program: Run) -> None:
    ports = ran(run_program, port=3210).inputs["webui-container"]["ports"]
    assert [(p["ip"], p["external"], p["internal"]) for p in ports] == [("127.0.0.1", 3210, 8080)]


def test_control_10_it_is_where_the_gateway_is_and_no_engine(run_program: Run) -> None:
    recorder = ran(run_program)
    joined = {
        name: {n["name"] for n in recorder.inputs[f"{name}-container"]["networksAdvanced"]}
        for name in ("chat", "gateway", "webui")
    }
    assert joined["webui"] == {"slm-dev-published"}
    assert joined["webui"] < joined["gateway"]
    assert not joined["webui"] & joined["chat"]
    assert recorder.inputs["webui-container"]["dns"] == ["127.0.0.1"]
    assert "dns" not in recorder.inputs["gateway-container"]


def test_control_16_its_secrets_are_secret_files(run_program: Run) -> None:
    recorder = ran(run_program)
    for name in ("webui-container", "gateway-container", "gateway-files"):
        text = json.dumps(recorder.inputs[name], default=str)
        assert not [value for value in SECRETS.values() if value in text], name
    whole = recorder.inputs["webui-files"]["uploads"]
    files = uploads(recorder, "webui-files")
    for file in ("api-key", "admin-password", "secret-key"):
        assert is_secret(whole) or is_secret(files[file]), file


def test_the_gateway_knows_its_key_only_while_the_stack_has_the_page(run_program: Run) -> None:
    def known(recorder: Recorder) -> str:
        content = uploads(recorder, "gateway-files")["keys.map"]
        return str(content["value"] if is_secret(content) else content)

    both = key_map({**KEYS, "webui": SECRETS["webui-api-key"]})
    assert known(ran(run_program)) == both
    assert known(run_program(config={"slm:webuiSecrets": json.dumps(SECRETS)})) == key_map(KEYS)


def test_control_67_its_data_survives_a_teardown(run_program: Run) -> None:
    kept = {s.name: s.options.retain_on_delete for s in ran(run_program).seen if s.type.endswith(":Volume")}
    assert kept["webui-data-volume"] is True
    assert not kept["webui-files-volume"]
