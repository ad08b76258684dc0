"""Rules for pods, one for each control: what one object alone shows (pure).

What only the whole stack shows, its graph of connections or how long an engine may start, is looked at in
tests/kubernetes with the description beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from policies.finding import UNKNOWN, Finding, value
from policies.objects import Pod
from policies.pod_limits import everything_is_limited, probes_differ
from policies.pod_security import restricted

LOWEST_USER = 10_000
FILE_MODE = 0o440
PINNED = re.compile(r"^.+@sha256:[0-9a-f]{64}$")
SETTLE_SECONDS = 10
"""How long a pod must go on serving at least before it is told to end: so long it still gets requests."""

LAST_SECONDS = 10
NO_TOKEN = "whoever breaks in can ask the API server"  # noqa: S105 - a sentence


def images_are_pinned(pod: Pod) -> Iterator[Finding]:
    image = str(pod.container.get("image") or "")
    if image != UNKNOWN and not PINNED.match(image):
        yield pod.inside(15, "image", "another image could run tomorrow", "name it by its digest")


def root_is_read_only(pod: Pod) -> Iterator[Finding]:
    if value(pod.container, "securityContext", "readOnlyRootFilesystem") is not True:
        path = "securityContext.readOnlyRootFilesystem"
        yield pod.inside(24, path, "whoever breaks in can change the program", "set it to true")


def users_are_high(pod: Pod) -> Iterator[Finding]:
    for name in ("runAsUser", "runAsGroup", "fsGroup"):
        number = pod.security(name)
        # Group 0 is of no use to a user who is nobody; the image of vLLM wants it.
        if not isinstance(number, int) or (number < LOWEST_USER and (name == "runAsUser" or number != 0)):
            harm = f"{number} may be a user of the node too"
            yield pod.finding(25, f"securityContext.{name}", harm, f"use {LOWEST_USER} or more")


def nobody_has_a_token(pod: Pod) -> Iterator[Finding]:
    if pod.spec.get("automountServiceAccountToken") is not False:
        yield pod.finding(26, "automountServiceAccountToken", NO_TOKEN, "set it to false")
    if pod.spec.get("serviceAccountName") in (None, "", "default"):
        yield pod.finding(26, "serviceAccountName", "what is given to one would be given to all", "its own account")
    for source in (s for v in pod.volumes for s in value(v, "projected", "sources") or ()):
        if "serviceAccountToken" in source:
            yield pod.finding(26, "volumes.projected.serviceAccountToken", NO_TOKEN, "no token, or an exception")


def no_service_becomes_a_variable(pod: Pod) -> Iterator[Finding]:
    if pod.spec.get("enableServiceLinks") is not False:
        yield pod.finding(27, "enableServiceLinks", "an engine reads a Service's name as its port", "false")


def secrets_are_files(pod: Pod) -> Iterator[Finding]:
    # What a cluster may fill in of the pod itself is no secret.
    names = [v["name"] for v in pod.container.get("env") or () if (v.get("valueFrom") or {}).keys() - {"fieldRef"}]
    if names or pod.container.get("envFrom"):
        yield pod.inside(32, "env", "every process and every crash report shows it", "mount it as a file")
    mounts = {mount["name"]: mount for mount in pod.mounts}
    for volume in pod.volumes:
        source = volume.get("projected") or volume.get("secret") or volume.get("csi")
        if source is None:
            continue
        mode = source.get("defaultMode", FILE_MODE if "csi" in volume else 0o644)
        if mode & ~FILE_MODE:
            where = f"volumes[{volume['name']}].defaultMode"
            yield pod.finding(32, where, f"{mode:04o}: more than its group can read or write", "0440")
        driver = volume.get("csi", {"readOnly": True})
        mount = mounts.get(volume["name"])
        if (mount and mount.get("readOnly") is not True) or driver.get("readOnly") is not True:
            yield pod.inside(32, f"volumeMounts[{volume['name']}]", "it can be changed", "readOnly: true")


def answers_may_end(pod: Pod) -> Iterator[Finding]:
    settle, grace = settle_seconds(pod), int(pod.spec.get("terminationGracePeriodSeconds", 30))
    if not pod.serves:
        return
    if settle < SETTLE_SECONDS:
        harm = "it ends while load balancers still send requests"
        yield pod.inside(37, "lifecycle.preStop", harm, f"wait {SETTLE_SECONDS} s first")
    if grace < settle + LAST_SECONDS:
        harm = f"answers that run longer than {grace - settle} s are cut"
        yield pod.finding(37, "terminationGracePeriodSeconds", harm, f"at least {settle + LAST_SECONDS}")


def settle_seconds(pod: Pod) -> int:
    """How long its preStop hook waits before anything is told to end."""
    before = value(pod.container, "lifecycle", "preStop") or {}
    if "sleep" in before:
        return int(before["sleep"]["seconds"])
    script = " ".join(value(before, "exec", "command") or ())
    waits = re.search(r"sleep (\d+); kill -", script)
    return int(waits[1]) if waits else 0


def weights_are_read_only(pod: Pod) -> Iterator[Finding]:
    claims = {v["name"] for v in pod.volumes if "persistentVolumeClaim" in v}
    for mount in pod.mounts:
        if pod.serves and mount["name"] in claims and mount.get("readOnly") is not True:
            harm = "one engine could change what all of them load"
            yield pod.inside(38, f"volumeMounts[{mount['name']}].readOnly", harm, "true; jobs write")


def pinned_images_are_not_asked_for_again(pod: Pod) -> Iterator[Finding]:
    if pod.container.get("imagePullPolicy") != "IfNotPresent":
        harm = "a registry that is away stops a restart, though a digest cannot change"
        yield pod.inside(42, "imagePullPolicy", harm, "IfNotPresent")


RULES: dict[int, Callable[[Pod], Iterator[Finding]]] = {
    15: images_are_pinned,
    23: restricted,
    24: root_is_read_only,
    25: users_are_high,
    26: nobody_has_a_token,
    27: no_service_becomes_a_variable,
    28: everything_is_limited,
    29: probes_differ,
    32: secrets_are_files,
    37: answers_may_end,
    38: weights_are_read_only,
    42: pinned_images_are_not_asked_for_again,
}
