"""The committed stacks under the policy pack's rules: nothing is found, and each hardening input broken once is."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.settings.permissions import SecurityException
from policies import docker_rules
from policies.evaluate import judge, resource_findings
from policies.finding import Resource
from tests.kubernetes.rendered import MONITORING, images
from tests.program.aks_recorder import AksRecorder
from tests.program.conftest import Run
from tests.program.policies_seen import resources

pytestmark = pytest.mark.program
BUILT = "sha256:" + "d" * 64
MONITORED = (
    "alertmanager",
    "blackbox",
    "cadvisor",
    "collector",
    "loki",
    "node-exporter",
    "ollama-exporter",
    "prometheus",
)
TLS = {"slm:cert": "certificate", "slm:cert-key": "private key"}


@pytest.fixture(autouse=True)
def passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The committed fleet is production, whose passphrase must be a strong one."""
    (tmp_path / "passphrase").write_text("correct horse battery staple, and 7 more words\n")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)


def on_docker(run_program: Run, stack: str = "dev", **config: str) -> list[Resource]:
    roles = ("ollama", "haproxy", "fetch", "convert", "onnx", "llamacpp", "vllm-cpu", "vllm", "webui", *MONITORED)
    given = {"slm:images": json.dumps(dict.fromkeys(roles, BUILT)), "slm:left_out": json.dumps(["grafana"]), **config}
    return resources(run_program(stack, given))


WATCHED = {"slm:monitoring": json.dumps({"target": "laptop"})}


def test_control_70_a_development_stack_with_monitoring_breaks_nothing(run_program: Run) -> None:
    found = judge(on_docker(run_program, **WATCHED))
    assert [str(one) for one in found.open] == []
    assert found.judged > 30


@pytest.mark.parametrize("stack", ["engines", "edge.berlin-1"])
def test_control_70_the_other_stacks_on_docker_break_nothing(run_program: Run, stack: str) -> None:
    found = judge(on_docker(run_program, stack, **(TLS if stack != "engines" else {})))
    assert [str(one) for one in found.open] == []
    assert found.judged > 10


def test_control_70_the_production_stack_on_azure_breaks_nothing(
    run_program: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.program.conftest.Recorder", AksRecorder)
    whole = resources(run_program("prod", config={"slm:images": json.dumps(images(**MONITORING))}))
    found = judge(whole)
    assert [str(one) for one in found.open] == []
    assert {one.type.split(":")[0] for one in whole} == {"azure-native", "kubernetes"}
    assert found.judged > 30
    # What is excused is Azure's device plugin and the two files of its agent, each by a reviewed row.
    assert {(one.control, one.resource) for one in found.excused} <= {
        (number, "DaemonSet/slm-node-agents/nvidia-device-plugin") for number in (23, 25, 29, 37)
    } | {(41, f"ConfigMap/ama-metrics-{name}") for name in ("prometheus-config", "settings-configmap")}


Change = Callable[[dict[str, Any]], object]


def put(key: str, value: Any) -> Change:
    return lambda inputs: inputs.__setitem__(key, value)


def drop(key: str) -> Change:
    return lambda inputs: inputs.pop(key)


def label(name: str, value: str) -> Change:
    def change(inputs: dict[str, Any]) -> None:
        inputs["labels"] = [one for one in inputs["labels"] if one["label"] != name] + [{"label": name, "value": value}]

    return change


ENGINE, GATEWAY = "chat-container", "gateway-container"
TMPFS = {"/tmp": "rw,size=64m,mode=0700"}
BROKEN: list[tuple[int, str, str, Change]] = [
    (1, "root", ENGINE, put("user", "0:0")),
    (1, "the image's own user", ENGINE, drop("user")),
    (1, "a user by name", ENGINE, put("user", "ollama")),
    (2, "a root that can be written", ENGINE, drop("readOnly")),
    (3, "scratch without owner", ENGINE, put("tmpfs", TMPFS)),
    (4, "capabilities kept", ENGINE, drop("capabilities")),
    (4, "a capability added", ENGINE, put("capabilities", {"drops": ["ALL"], "adds": ["SYS_ADMIN"]})),
    (5, "privileges that grow", ENGINE, drop("securityOpts")),
    (5, "no seccomp", ENGINE, put("securityOpts", ["no-new-privileges:true", "seccomp=unconfined"])),
    (6, "privileged", ENGINE, put("privileged", True)),
    (6, "the host's processes", ENGINE, put("pidMode", "host")),
    (6, "the host's memory", ENGINE, put("ipcMode", "host")),
    (6, "the host's network", ENGINE, put("networkMode", "host")),
    (6, "the host's users", ENGINE, put("userns", "host")),
    (7, "no limit on memory", ENGINE, put("memory", 0)),
    (7, "swap", ENGINE, drop("memorySwap")),
    (7, "no limit on processors", ENGINE, drop("cpus")),
    (8, "no limit on processes", ENGINE, label("slm.pids", "0")),
    (9, "an engine outside", ENGINE, put("ports", [{"internal": 1, "external": 1, "ip": "127.0.0.1"}])),
    (9, "every address", GATEWAY, put("ports", [{"internal": 1, "external": 1, "ip": "0.0.0.0"}])),
    (9, "every address by default", GATEWAY, put("ports", [{"internal": 1, "external": 1}])),
    (10, "the default bridge", ENGINE, lambda i: (i.pop("networksAdvanced"), i.pop("networkMode", None))),
    (11, "the engine's socket", ENGINE, put("volumes", [{"hostPath": "/var/run/docker.sock", "containerPath": "/s"}])),
    (11, "the host's root", ENGINE, put("mounts", [{"type": "bind", "source": "/", "target": "/host"}])),
    (12, "no health check", ENGINE, drop("healthcheck")),
    (13, "no restart", ENGINE, put("restart", "no")),
    (14, "endless logs", ENGINE, drop("logOpts")),
    (15, "an image by its tag", ENGINE, put("image", "docker.io/ollama/ollama:0.40.2")),
    (16, "a secret as a variable", ENGINE, put("envs", ["API_KEY=canary"])),
    (18, "no time to drain", ENGINE, drop("stopTimeout")),
    (18, "killed at once", ENGINE, put("stopSignal", "SIGKILL")),
    (10, "a network with a way out", "laptop-internal", put("internal", False)),
    (10, "a network for everybody", "laptop-internal", put("attachable", True)),
    (10, "the host's own network", "laptop-internal", put("driver", "host")),
    (10, "a published network with a way out", "laptop-published", drop("options")),
    (11, "a volume that is a path", "gateway-files-volume", put("driverOpts", {"type": "none", "o": "bind"})),
]  # fmt: skip
HARMLESS = {
    "name", "hostname", "dnsOpts", "entrypoints", "command", "shmSize", "wait", "waitTimeout", "logDriver", "init",
    "destroyGraceSeconds", "mustRun", "start", "uploads", "hosts", "dns",
}  # fmt: skip
"""Inputs of a container that no rule is about: what it runs, and how long Pulumi waits for it."""


@pytest.fixture(scope="module")
def dev() -> dict[str, Resource]:
    return {}


def by_name(run_program: Run, kept: dict[str, Resource]) -> dict[str, Resource]:
    """The development stack, declared once for this module."""
    if not kept:
        kept |= {one.name: one for one in on_docker(run_program)}
    return kept


@pytest.mark.parametrize(("control", "what", "name", "change"), BROKEN, ids=[f"{row[0]:02}-{row[1]}" for row in BROKEN])
def test_a_broken_input_of_docker_is_noticed_by_its_control_alone(
    run_program: Run, dev: dict[str, Resource], control: int, what: str, name: str, change: Change
) -> None:
    good = by_name(run_program, dev)[name]
    assert list(resource_findings(good)) == []
    inputs = copy.deepcopy(dict(good.inputs))
    change(inputs)
    found = list(resource_findings(replace(good, inputs=inputs)))
    assert {one.control for one in found} == {control}, list(map(str, found))
    assert all(one.harm and one.fix and one.path for one in found)


def test_every_input_that_hardens_a_container_is_broken_once(run_program: Run, dev: dict[str, Resource]) -> None:
    """An input that is added must be harmless, or come with a row that breaks it."""
    changed = set()
    for name in (ENGINE, GATEWAY):
        good = by_name(run_program, dev)[name]
        for _, _, of, change in BROKEN:
            if of == name:
                inputs = copy.deepcopy(dict(good.inputs))
                change(inputs)
                changed |= {key for key in good.inputs if inputs.get(key) != good.inputs[key]}
        assert set(good.inputs) - HARMLESS - changed - {"volumes", "networksAdvanced"} == set(), name


def test_every_rule_of_docker_has_an_input_that_breaks_it() -> None:
    assert {row[0] for row in BROKEN} == {*range(1, 17), 18}


def test_an_image_that_is_pulled_is_named_by_its_digest() -> None:
    good = Resource(docker_rules.IMAGE, "chat-image", {"name": "docker.io/ollama/ollama:0.40.2@" + BUILT})
    assert list(resource_findings(good)) == []
    (found,) = resource_findings(replace(good, inputs={"name": "docker.io/ollama/ollama:latest"}))
    assert (found.control, found.resource) == (15, "RemoteImage/chat-image")


def test_what_only_the_deployment_will_know_is_no_finding(run_program: Run, dev: dict[str, Resource]) -> None:
    good = by_name(run_program, dev)[ENGINE]
    unknown = replace(good, inputs={**good.inputs, "image": "[unknown]"})
    assert list(resource_findings(unknown)) == []


def test_control_71_an_exception_excuses_its_place_and_an_unused_one_is_told(
    run_program: Run, dev: dict[str, Resource]
) -> None:
    good = by_name(run_program, dev)[ENGINE]
    weak = replace(good, inputs={**good.inputs, "restart": "no"})

    def exception(control: int, resource: str) -> SecurityException:
        reason = {"reason": "it is started again by something else", "expires": "2099-01-01"}
        return SecurityException.model_validate({"control": control, "resource": resource, **reason})

    here, elsewhere = exception(13, f"Container/{ENGINE}"), exception(13, "Container/gateway-container")
    of_settings = exception(39, "chat")
    assert judge([weak], [here]).open == ()
    assert [one.control for one in judge([weak], [here]).excused] == [13]
    found = judge([weak], [here, elsewhere, of_settings])
    assert found.unused == ("control 13 on Container/gateway-container",)


def test_control_70_what_no_rule_understands_is_not_let_through() -> None:
    for odd in (
        Resource("kubernetes:v1:Service", "odd", {"metadata": None, "spec": "many"}),
        Resource("kubernetes:apps/v1:Deployment", "odd", {"spec": {"template": {"spec": {"containers": ["x"]}}}}),
        Resource(docker_rules.CONTAINER, "odd", {"memory": "much"}),
    ):
        assert 70 in {one.control for one in resource_findings(odd)}, odd
    assert 70 in {one.control for one in judge([Resource("kubernetes:v1:Namespace", "odd", {"metadata": 3})]).open}
