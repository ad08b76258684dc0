"""A stack whose engine someone else runs, as Pulumi sees it: a way out for the gateway, and a key in one file."""

from __future__ import annotations

import json

import pulumi
import pytest

from tests.program.conftest import IMAGES, Run
from tests.program.recorder import is_secret

pytestmark = pytest.mark.program

KEY = "upstream-" + "u" * 40
CLOUD = {
    "kind": "external",
    "target": "laptop",
    "url": "https://models.example.com/openai/v1",
    "model": "Phi-4-mini-instruct",
    "key_secret": "cloud-key",
}


def configuration() -> dict[str, str]:
    return {"slm:engines": json.dumps({"cloud": CLOUD}), "slm:images": json.dumps(IMAGES), "slm:cloud-key": KEY}


@pytest.fixture(autouse=True)
def _its_key_is_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all = pulumi.runtime.set_all_config
    monkeypatch.setattr(
        pulumi.runtime, "set_all_config", lambda values, keys: set_all(values, [*keys, "slm:cloud-key"])
    )


def test_the_gateway_gets_the_key_as_a_secret_file_and_a_way_out(run_program: Run) -> None:
    recorder = run_program(config=configuration())
    uploads = recorder.inputs["gateway-files"]["uploads"]
    assert is_secret(uploads)
    contents = {u["file"]: u["content"] for u in uploads["value"]}
    assert contents["/etc/slm/cloud.key"] == f"key Bearer {KEY}\n"
    assert KEY not in contents["/etc/slm/haproxy.cfg"]
    networks = [a["name"] for a in recorder.inputs["gateway-container"]["networksAdvanced"]]
    assert networks == ["slm-dev-internal", "slm-dev-published", "slm-dev-egress"]
    assert recorder.inputs["gateway-container"]["hosts"] == [{"host": "host.docker.internal", "ip": "host-gateway"}]
    assert {s.type for s in recorder.seen if s.is_component} >= {"slm:engine:external", "slm:engine:ollama"}


def test_without_an_external_engine_the_gateway_has_no_way_out(run_program: Run) -> None:
    recorder = run_program()
    networks = [a["name"] for a in recorder.inputs["gateway-container"]["networksAdvanced"]]
    assert networks == ["slm-dev-internal", "slm-dev-published"]
    assert "hosts" not in recorder.inputs["gateway-container"]
