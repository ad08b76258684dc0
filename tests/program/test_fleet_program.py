"""A fleet under mocks: each host's stack is declared over its own pinned connection, and a hundred cost a hundred."""

from __future__ import annotations

import base64
import gc
import json
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pulumi
import pytest
import yaml

from components import program
from components.settings import load
from tests.program.conftest import IMAGES, PROJECT
from tests.program.recorder import Recorder, is_secret

pytestmark = pytest.mark.program
Run = Callable[..., Recorder]

HOST = "edge.berlin-1"
SECRETS = {"slm:cert": "certificate", "slm:cert-key": "private key"}
PAGE = {"webui-api-key": "slm-" + "w" * 43, "webui-admin-password": "slm-Password-1", "webui-secret-key": "s" * 64}
PROVIDER = "pulumi:providers:docker"


@pytest.fixture(autouse=True)
def passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The committed fleet is production, whose passphrase must be a strong one."""
    (tmp_path / "passphrase").write_text("correct horse battery staple, and 7 more words\n")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)


def provider(recorder: Recorder) -> dict[str, object]:
    (found,) = (recorder.inputs[name] for name, kind in recorder.types.items() if kind == PROVIDER)
    return found


def test_control_20_a_host_of_the_committed_fleet_is_reached_by_its_pinned_key_only(run_program: Run) -> None:
    found = provider(run_program(HOST, SECRETS))
    target = load(HOST, PROJECT).targets["site"]
    assert found["host"] == "ssh://slm@192.0.2.11:22"
    options = found["sshOpts"]
    options = json.loads(options) if isinstance(options, str) else options
    assert isinstance(options, list)
    assert f"KnownHostsCommand=/bin/echo %H {getattr(target, 'host_key', None)}" in options
    assert "StrictHostKeyChecking=yes" in options
    assert not [word for word in options if word.startswith("/")], "no path of this machine is in the state"


def test_a_hosts_gateway_is_published_on_the_hosts_address_with_tls(run_program: Run) -> None:
    recorder = run_program(HOST, SECRETS)
    (port,) = recorder.inputs["gateway-container"]["ports"]
    assert (port["ip"], port["external"]) == ("192.0.2.11", 8443)
    assert "ports" not in recorder.inputs["chat-container"]
    assert recorder.outputs["endpoint"] == "https://192.0.2.11:8443/v1"
    uploads = recorder.inputs["gateway-files"]["uploads"]
    assert is_secret(uploads) or all(is_secret(u["content"]) for u in uploads if u["file"].endswith(".key"))


def test_a_hosts_page_is_published_on_the_hosts_address_with_the_gateways_certificate(
    run_program: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = yaml.safe_load((PROJECT / "Pulumi.edge.yaml").read_text())
    document["config"]["slm:webui"] = {"target": "site"}
    (tmp_path / "Pulumi.edge.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    monkeypatch.setattr(program, "PROJECT", tmp_path)
    page = {"slm:images": json.dumps(IMAGES | {"webui": "sha256:" + "d" * 64}), "slm:webuiSecrets": json.dumps(PAGE)}
    for host, address in ((HOST, "192.0.2.11"), ("edge.oslo-1", "198.51.100.21")):
        recorder = run_program(host, {**SECRETS, **page})
        (port,) = recorder.inputs["webui-container"]["ports"]
        assert (port["ip"], port["external"]) == (address, 3000)
        assert f"WEBUI_URL=https://{address}:3000" in recorder.inputs["webui-container"]["envs"]
        assert is_secret(recorder.inputs["webui-files"]["uploads"])


def test_hosts_have_names_of_their_own(run_program: Run) -> None:
    recorder = run_program(HOST, SECRETS)
    assert recorder.inputs["chat-container"]["name"] == "slm-edge.berlin-1-chat"


def test_a_hosts_own_model_is_served_there(run_program: Run) -> None:
    assert run_program("edge.oslo-1", SECRETS).outputs["models"] != run_program(HOST, SECRETS).outputs["models"]


def test_a_host_that_is_not_in_the_fleet_ends_the_program_with_a_sentence(run_program: Run) -> None:
    with pytest.raises(pulumi.RunError, match="unknown host 'nowhere'"):
        run_program("edge.nowhere", SECRETS)


@pytest.mark.alone
def test_a_hundred_hosts_cost_a_hundred_times_one_in_time_and_nothing_in_memory(
    run_program: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One program for one host: what a fleet costs is a loop, and no host's cost depends on how many there are."""
    document = yaml.safe_load((PROJECT / "Pulumi.edge.yaml").read_text())
    document["config"]["slm:fleet"]["hosts"] = {f"h{number}": _host(number) for number in range(1, 101)}
    (tmp_path / "Pulumi.edge.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    monkeypatch.setattr(program, "PROJECT", tmp_path)
    run_program("edge.h1", SECRETS)  # what is imported once is no host's cost

    first_peak, seconds = _peak(run_program, 1), []
    for number in range(1, 101):
        began = time.process_time()
        recorder = run_program(f"edge.h{number}", SECRETS)
        seconds.append(time.process_time() - began)
        assert provider(recorder)["host"] == f"ssh://slm@10.20.0.{number}:22"
    last_peak = _peak(run_program, 100)
    first, last = sorted(seconds[:20])[10], sorted(seconds[80:])[10]
    print(f"100 hosts: {sum(seconds):.1f} s of processor; a host {first:.3f} s at first, {last:.3f} s at last")
    print(f"memory of a host: {first_peak:.1f} MiB at first, {last_peak:.1f} MiB at last")
    assert last < first * 1.5, "the hundredth host costs what the first does"
    assert last_peak < first_peak + 10, "a host leaves next to nothing behind in this process"


def _peak(run: Run, number: int) -> float:
    """MiB that declaring one host takes at its most."""
    gc.collect()
    tracemalloc.start()
    try:
        run(f"edge.h{number}", SECRETS)
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def _host(number: int) -> dict[str, object]:
    blob = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + bytes([number]) * 32
    key = f"ssh-ed25519 {base64.b64encode(blob).decode()}"
    return {"address": f"10.20.0.{number}", "host_key": key, "labels": {"site": f"s{number % 7}"}}
