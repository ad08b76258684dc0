"""Our own checks of pods, for what Pod Security Standards do not ask: one for each control."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.kubernetes.findings import Finding, Pod, Subject, control, value
from tests.kubernetes.quantities import mebibytes
from tests.kubernetes.rendered import key

LOWEST_USER = 10_000
FILE_MODE = 0o440
PINNED = re.compile(r"^.+@sha256:[0-9a-f]{64}$")
SETTLE_SECONDS = 10
"""How long a pod must go on serving at least before it is told to end: so long it still gets requests."""

LAST_SECONDS = 10
PATIENCE_SECONDS = 120
"""A busy engine must be able to miss its liveness probe this long."""


@control(15)
def images_are_pinned(subject: Subject) -> Iterator[Finding]:
    for pod in subject.pods():
        if not PINNED.match(pod.container["image"]):
            yield pod.inside(15, "image", "another image could run tomorrow", "name it by its digest")


@control(24)
def root_is_read_only(subject: Subject) -> Iterator[Finding]:
    for pod in subject.pods():
        if value(pod.container, "securityContext", "readOnlyRootFilesystem") is not True:
            path = "securityContext.readOnlyRootFilesystem"
            yield pod.inside(24, path, "whoever breaks in can change the program", "set it to true")


@control(25)
def users_are_high(subject: Subject) -> Iterator[Finding]:
    for pod in subject.pods():
        for name in ("runAsUser", "runAsGroup", "fsGroup"):
            own = value(pod.container, "securityContext", name)
            number = value(pod.spec, "securityContext", name) if own is None else own
            # Group 0 is of no use to a user who is nobody; the image of vLLM wants it.
            if not isinstance(number, int) or (number < LOWEST_USER and (name == "runAsUser" or number != 0)):
                harm = f"{number} may be a user of the node too"
                yield pod.finding(25, f"securityContext.{name}", harm, f"use {LOWEST_USER} or more")


@control(26)
def nobody_has_a_token(subject: Subject) -> Iterator[Finding]:
    accounts = {one["metadata"]["name"]: one for one in subject.of_kind("ServiceAccount")}
    harm = "whoever breaks in can ask the API server"
    for pod in subject.pods():
        if pod.spec.get("automountServiceAccountToken") is not False:
            yield pod.finding(26, "automountServiceAccountToken", harm, "set it to false")
        if pod.spec.get("serviceAccountName") not in accounts:
            yield pod.finding(26, "serviceAccountName", "what is given to one would be given to all", "its own account")
        for source in (s for v in pod.spec["volumes"] for s in value(v, "projected", "sources") or ()):
            if "serviceAccountToken" in source:
                yield pod.finding(26, "volumes.projected.serviceAccountToken", harm, "no token, or an exception")
    for role in (one for one in subject.objects if one["kind"] in ("Role", "ClusterRole")):
        for rule in role["rules"]:
            if [rule["resources"], rule["verbs"]] != [["nodes/metrics"], ["get"]]:
                yield Finding(26, key(role), "rules", "it may do more than read figures", "get nodes/metrics")
    for name, account in accounts.items():
        if account.get("automountServiceAccountToken") is not False:
            yield Finding(26, f"ServiceAccount/{name}", "automountServiceAccountToken", harm, "set it to false")


@control(27)
def no_service_becomes_a_variable(subject: Subject) -> Iterator[Finding]:
    for pod in subject.pods():
        if pod.spec.get("enableServiceLinks") is not False:
            yield pod.finding(27, "enableServiceLinks", "an engine reads a Service's name as its port", "false")


@control(28)
def everything_is_limited(subject: Subject) -> Iterator[Finding]:
    for pod in subject.pods():
        limits, requests = (value(pod.container, "resources", key) or {} for key in ("limits", "requests"))
        for name in ("cpu", "memory", "ephemeral-storage"):
            if name not in limits or name not in requests:
                yield pod.inside(28, f"resources.{name}", "it can starve the node", "give request and limit")
        for name in limits:
            if name != "ephemeral-storage" and name in requests and limits[name] != requests[name]:
                yield pod.inside(28, f"resources.{name}", "others use what it was promised", "make both the same")
        yield from _memory_of_directories(pod, limits)


def _memory_of_directories(pod: Pod, limits: dict[str, str]) -> Iterator[Finding]:
    used = 0
    for volume in pod.spec["volumes"]:
        if "emptyDir" not in volume:
            continue
        size = volume["emptyDir"].get("sizeLimit")
        if volume["emptyDir"].get("medium") != "Memory" or size is None:
            harm = "it fills the node's disk or memory"
            yield pod.finding(28, f"volumes[{volume['name']}].emptyDir", harm, "memory, with a sizeLimit")
        else:
            used += mebibytes(size)
    if "memory" in limits and used >= mebibytes(limits["memory"]):
        yield pod.inside(28, "resources.limits.memory", "its directories in memory alone would fill it", "add theirs")


@control(29)
def probes_differ(subject: Subject) -> Iterator[Finding]:
    for pod in subject.pods():
        probes = {name: pod.container.get(f"{name}Probe") for name in ("startup", "readiness", "liveness")}
        if not pod.serves:
            continue
        for name in [name for name, probe in probes.items() if not probe]:
            yield pod.inside(29, f"{name}Probe", "nobody notices that it does not serve", "give it one")
        liveness, readiness = probes["liveness"], probes["readiness"]
        if not liveness or not readiness:
            continue
        if liveness == readiness:
            yield pod.inside(29, "livenessProbe", "a busy copy is killed as it is taken out", "make it slower")
        elif liveness["periodSeconds"] * liveness["failureThreshold"] < PATIENCE_SECONDS:
            harm = "a busy copy is killed, and its work goes to the next"
            yield pod.inside(29, "livenessProbe", harm, f"give it {PATIENCE_SECONDS} s at least")


@control(30)
def starting_may_take_its_time(subject: Subject) -> Iterator[Finding]:
    workloads = subject.stack.workloads
    for pod in subject.pods():
        probe, startup = workloads[pod.workload].probe, pod.container.get("startupProbe")
        if probe is None or startup is None:
            continue
        budget = startup.get("periodSeconds", 10) * startup.get("failureThreshold", 3)
        if budget < probe.startup:
            harm = f"it is killed after {budget} s, while it loads"
            yield pod.inside(30, "startupProbe.failureThreshold", harm, f"give it {probe.startup} s")
        deadline = pod.controller["spec"].get("progressDeadlineSeconds")
        if pod.controller["kind"] == "Deployment" and (deadline is None or deadline <= budget):
            harm = "the rollout is given up while it may still start"
            yield Finding(30, pod.name, "spec.progressDeadlineSeconds", harm, f"more than {budget}")


@control(32)
def secrets_are_files(subject: Subject) -> Iterator[Finding]:
    for pod in subject.pods():
        # What a cluster may fill in of the pod itself is no secret.
        names = [v["name"] for v in pod.container.get("env", ()) if v.get("valueFrom", {}).keys() - {"fieldRef"}]
        if names or pod.container.get("envFrom"):
            yield pod.inside(32, "env", "every process and every crash report shows it", "mount it as a file")
        mounts = {mount["name"]: mount for mount in pod.container["volumeMounts"]}
        for volume in pod.spec["volumes"]:
            source = volume.get("projected") or volume.get("secret") or volume.get("csi")
            if source is None:
                continue
            mode = source.get("defaultMode", FILE_MODE if "csi" in volume else 0o644)
            if mode & ~FILE_MODE:
                where = f"volumes[{volume['name']}].defaultMode"
                yield pod.finding(32, where, f"{mode:04o}: more than its group can read or write", "0440")
            driver = volume.get("csi", {"readOnly": True})
            if mounts[volume["name"]].get("readOnly") is not True or driver.get("readOnly") is not True:
                yield pod.inside(32, f"volumeMounts[{volume['name']}]", "it can be changed", "readOnly: true")


@control(37)
def answers_may_end(subject: Subject) -> Iterator[Finding]:
    workloads = subject.stack.workloads
    for pod in subject.pods():
        grace, drain = pod.spec["terminationGracePeriodSeconds"], workloads[pod.workload].drain
        settle = _settle_seconds(pod)
        if pod.serves and settle < SETTLE_SECONDS:
            harm = "it ends while load balancers still send requests"
            yield pod.inside(37, "lifecycle.preStop", harm, f"wait {SETTLE_SECONDS} s first")
        if grace < settle + drain + LAST_SECONDS:
            harm = f"answers that run longer than {grace - settle} s are cut"
            fix = f"at least {settle + drain + LAST_SECONDS}"
            yield pod.finding(37, "terminationGracePeriodSeconds", harm, fix)


def _settle_seconds(pod: Pod) -> int:
    """How long its preStop hook waits before anything is told to end."""
    before = value(pod.container, "lifecycle", "preStop") or {}
    if "sleep" in before:
        return int(before["sleep"]["seconds"])
    script = " ".join(value(before, "exec", "command") or ())
    waits = re.search(r"sleep (\d+); kill -", script)
    return int(waits[1]) if waits else 0


@control(38)
def weights_are_read_only(subject: Subject) -> Iterator[Finding]:
    for pod in subject.pods():
        claims = {v["name"] for v in pod.spec["volumes"] if "persistentVolumeClaim" in v}
        for mount in pod.container["volumeMounts"]:
            if pod.serves and mount["name"] in claims and mount.get("readOnly") is not True:
                harm = "one engine could change what all of them load"
                yield pod.inside(38, f"volumeMounts[{mount['name']}].readOnly", harm, "true; jobs write")


@control(42)
def pinned_images_are_not_asked_for_again(subject: Subject) -> Iterator[Finding]:
    for pod in subject.pods():
        if pod.container.get("imagePullPolicy") != "IfNotPresent":
            harm = "a registry that is away stops a restart, though a digest cannot change"
            yield pod.inside(42, "imagePullPolicy", harm, "IfNotPresent")
