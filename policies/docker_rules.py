"""What resources of Pulumi's Docker provider show of the controls."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.container import Bind, Container, problems
from policies.finding import UNKNOWN, Finding, Inputs, Resource, Rule, value

CONTAINER = "docker:index/container:Container"
IMAGE = "docker:index/remoteImage:RemoteImage"
NETWORK = "docker:index/network:Network"
VOLUME = "docker:index/volume:Volume"
PINNED = re.compile(r"^(.+@)?sha256:[0-9a-f]{64}$")
SECRET_WORDS = re.compile(r"(?i)(^|_)(password|secret|token|api_?key)=(?!.*\.(pem|key)$)(?!/).+")
INTERNAL = ("internal", "monitoring", "container-engine")
MODES = {"pidMode": "PidMode", "ipcMode": "IpcMode", "networkMode": "NetworkMode", "userns": "UsernsMode"}


def _list(inputs: Inputs, key: str) -> list[Any]:
    found = inputs.get(key)
    return list(found) if isinstance(found, list | tuple) else []


def labels(inputs: Inputs) -> dict[str, str]:
    """The labels of a container, network or volume."""
    return {str(one["label"]): str(one["value"]) for one in _list(inputs, "labels") if isinstance(one, Mapping)}


def _number(given: Any) -> int:
    """A number of an input; what only the deployment will know counts as some number."""
    if given == UNKNOWN:
        return 1
    return int(given or 0)


def described(inputs: Inputs) -> Container:
    """The container in the words of the rules."""
    marks = labels(inputs)
    pids = marks.get("slm.pids", "")
    networks = {str(one.get("name", "")) for one in _list(inputs, "networksAdvanced")}
    alone = not networks and inputs.get("networkMode") in (None, "", "default", "bridge")
    return Container(
        user=str(inputs.get("user") or ""),
        read_only=inputs.get("readOnly") is True,
        tmpfs=inputs.get("tmpfs") or {},
        drops=frozenset(value(inputs, "capabilities", "drops") or ()),
        adds=frozenset(value(inputs, "capabilities", "adds") or ()),
        security_options=tuple(map(str, _list(inputs, "securityOpts"))),
        privileged=bool(inputs.get("privileged")),
        modes={said: str(inputs.get(key) or "") for key, said in MODES.items()},
        memory=_number(inputs.get("memory")),
        memory_swap=_number(inputs.get("memorySwap")),
        limits_cpu=bool(inputs.get("cpuQuota") or inputs.get("cpus")),
        pids=int(pids) if pids.isdigit() else 0,
        published=tuple(str(one.get("ip") or "") for one in _list(inputs, "ports")),
        networks=frozenset({*networks, "bridge"} if alone else networks),
        binds=tuple(_binds(inputs)),
        is_probed=bool(value(inputs, "healthcheck", "tests")),
        restart=str(inputs.get("restart") or "no"),
        log_options=frozenset(inputs.get("logOpts") or {}),
        stop_timeout=_number(inputs.get("stopTimeout")),
        stop_signal=str(inputs.get("stopSignal") or ""),
        workload=marks.get("slm.workload", ""),
        view=marks.get("slm.view"),
        never_runs=inputs.get("start") is False and inputs.get("mustRun") is False,
    )


def _binds(inputs: Inputs) -> Iterator[Bind]:
    for one in _list(inputs, "volumes"):
        if one.get("hostPath"):
            yield Bind(str(one["hostPath"]), one.get("readOnly") is not True)
    for one in _list(inputs, "mounts"):
        if one.get("type") == "bind":
            yield Bind(str(one.get("source") or ""), one.get("readOnly") is not True)


def called(kind: str, resource: Resource) -> str:
    """What findings and exceptions call a resource."""
    return f"{kind}/{resource.name}"


def container(resource: Resource) -> Iterator[Finding]:
    """Controls 1 to 14 and 18, for a container."""
    for rule, problem in problems(described(resource.inputs)):
        yield Finding(rule.control, called("Container", resource), rule.path, f"{problem}: {rule.harm}", rule.fix)


def pinned(resource: Resource) -> Iterator[Finding]:
    """Control 15, for a container's image and for one that is pulled."""
    field, kind = ("image", "Container") if resource.type == CONTAINER else ("name", "RemoteImage")
    image = str(resource.inputs.get(field) or "")
    if image != UNKNOWN and not PINNED.match(image):
        yield Finding(15, called(kind, resource), field, "another image could run tomorrow", "name it by its digest")


def no_secret_in_sight(resource: Resource) -> Iterator[Finding]:
    """Control 16, for a container: variables that are called as secrets are, and hold more than a path."""
    for one in _list(resource.inputs, "envs"):
        if SECRET_WORDS.match(str(one)):
            name = str(one).split("=")[0]
            harm = "whoever may look at containers reads it"
            yield Finding(16, called("Container", resource), f"envs[{name}]", harm, "mount it as a file")


def closed(resource: Resource) -> Iterator[Finding]:
    """Control 10, for a network: no way out but by one that is named for it, and only without the default's leaks."""
    inputs, name = resource.inputs, str(resource.inputs.get("name") or resource.name)
    kind = called("Network", resource)
    way_out = name.endswith("-egress")
    published = name.endswith("-published")
    masquerades = value(inputs, "options", "com.docker.network.bridge.enable_ip_masquerade") != "false"
    if inputs.get("driver") == "host" or inputs.get("ingress"):
        yield Finding(10, kind, "driver", "it is the host's own network", "a bridge of the stack's own")
    if not way_out and inputs.get("internal") is not True and not (published and not masquerades):
        harm = "what is on it reaches the internet and the host's neighbours"
        yield Finding(10, kind, "internal", harm, "internal: true; a way out is the network NAME-egress alone")
    if inputs.get("attachable") is True:
        yield Finding(10, kind, "attachable", "anybody's container may join it", "attachable: false")


def named_volume(resource: Resource) -> Iterator[Finding]:
    """Control 11, for a volume: none that is a path of the host under another name."""
    options = resource.inputs.get("driverOpts") or {}
    if (options.get("o") and "bind" in str(options["o"]).split(",")) or options.get("device", "").startswith("/"):
        harm = "a path of the host is mounted under another name"
        yield Finding(11, called("Volume", resource), "driverOpts", harm, "a plain named volume")


RULES: dict[str, tuple[Rule, ...]] = {
    CONTAINER: (container, pinned, no_secret_in_sight),
    IMAGE: (pinned,),
    NETWORK: (closed,),
    VOLUME: (named_volume,),
}
"""By the type token of the resource."""
