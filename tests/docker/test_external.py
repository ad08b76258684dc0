"""An external engine in a real stack: a second stack of ours plays the endpoint that someone else runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

import docker
import pytest
import yaml

from ops import docker_exec
from tests.docker import fast_stack, tiny_model
from tests.docker.certificates import Certificate, self_signed
from tests.docker.project import Project, free_port

pytestmark = pytest.mark.docker

HOST = "host.docker.internal"
ASK = {"model": tiny_model.NAME, "messages": [{"role": "user", "content": "Hello"}]}


@dataclass
class Both:
    """The stack that calls, and the one that is called."""

    near: Project
    far: Project
    far_key: str


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("external")
    certificate = self_signed(folder / "tls", f"DNS:{HOST}")
    with (
        fast_stack.declared(folder / "far", "test-far") as far,
        fast_stack.declared(folder / "near", "test-near") as near,
    ):
        publish(far, certificate)
        far.ops("up", environment={"SSL_CERT_FILE": str(certificate.certificate)})
        far_key = next(iter(far.keys().values()))
        describe(near, f"https://{HOST}:{far.port}/v1", certificate.pem)
        give(near, "far-key", far_key)
        near.ops("up").must_succeed()
        yield Both(near, far, far_key)


def publish(far: Project, certificate: Certificate) -> None:
    """Let containers of other stacks reach its gateway, on the address that stands for this machine."""
    client = docker.from_env()
    bridge = client.networks.get("bridge").attrs["IPAM"]["Config"][0]
    # An engine that found its bridge there already does not tell this; it is the network's first address.
    address = bridge.get("Gateway") or str(IPv4Network(bridge["Subnet"])[1])
    client.close()
    tls = {"certificate": "far-certificate", "key": "far-certificate-key"}
    far.change({"slm:gateway": {"bind": address, "hosts": [HOST, address], "tls": tls, "port": free_port()}})
    far.port = yaml.safe_load(far.file.read_text())["config"]["slm:gateway"]["port"]
    far.ops("up").must_fail("far-certificate", "make secret")
    give(far, "far-certificate", certificate.pem)
    give(far, "far-certificate-key", certificate.key.read_text())


def describe(near: Project, url: str, ca_certificates: str) -> None:
    """Nothing of its own: only the external engine."""
    document = yaml.safe_load(near.file.read_text())
    document["config"]["slm:engines"] = {
        "far": {
            "kind": "external",
            "target": "laptop",
            "url": url,
            "model": tiny_model.NAME,
            "key_secret": "far-key",
            "capabilities": ["chat", "completions", "streaming", "stop", "seed"],
            "ca_certificates": ca_certificates,
        }
    }
    near.file.write_text(yaml.safe_dump(document, sort_keys=False))


def give(project: Project, name: str, content: str) -> None:
    command = [sys.executable, "-m", "ops", "secret", name, "--stack", project.stack]
    done = subprocess.run(command, cwd=project.folder, input=content, text=True, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert content not in done.stdout + done.stderr


def test_the_endpoint_answers_through_this_stacks_gateway_under_this_stacks_key(both: Both) -> None:
    key = next(iter(both.near.keys().values()))
    answer = both.near.request("POST", "/v1/chat/completions", key, json=ASK)
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"] == "80"
    assert [m["id"] for m in both.near.request("GET", "/v1/models", key).json()["data"]] == [tiny_model.NAME]
    assert both.near.request("POST", "/v1/chat/completions", both.far_key, json=ASK).status_code == 401


def test_nothing_runs_here_but_the_gateway_and_its_key_is_in_no_environment_argument_or_log(both: Both) -> None:
    containers = both.near.containers()
    assert list(containers) == ["gateway"]
    gateway = containers["gateway"]
    assert both.far_key not in str(gateway.attrs)
    assert both.far_key not in gateway.logs().decode()
    config = docker_exec.run(gateway, ["cat", "/etc/slm/haproxy.cfg"]).output
    assert both.far_key not in config.decode()
    assert both.far_key not in both.near.file.read_text()


def test_check_and_a_second_up_cope_with_an_engine_without_a_container(both: Both) -> None:
    checked = both.near.ops("check").must_succeed().output
    assert "someone else runs it" in checked
    before = both.near.containers()["gateway"].id
    both.near.ops("up").must_succeed()
    assert both.near.containers()["gateway"].id == before


def test_another_key_reaches_the_gateway_without_a_restart(both: Both) -> None:
    before = both.near.containers()["gateway"].id
    give(both.near, "far-key", "not-the-key-" + "x" * 40)
    both.near.ops("up")
    key = next(iter(both.near.keys().values()))
    assert both.near.request("POST", "/v1/chat/completions", key, json=ASK).status_code in (401, 503)
    give(both.near, "far-key", both.far_key)
    both.near.ops("up").must_succeed()
    assert both.near.request("POST", "/v1/chat/completions", key, json=ASK).status_code == 200
    assert both.near.containers()["gateway"].id == before
