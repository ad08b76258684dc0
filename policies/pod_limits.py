"""What a pod may take of its node (control 28), and how it is known whether it serves (control 29) (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.finding import Finding, value
from policies.objects import Pod
from policies.quantities import mebibytes

PATIENCE_SECONDS = 120
"""A busy engine must be able to miss its liveness probe this long."""


def everything_is_limited(pod: Pod) -> Iterator[Finding]:
    """Control 28."""
    limits, requests = (value(pod.container, "resources", key) or {} for key in ("limits", "requests"))
    for name in ("cpu", "memory", "ephemeral-storage"):
        if name not in limits or name not in requests:
            yield pod.inside(28, f"resources.{name}", "it can starve the node", "give request and limit")
    for name in limits:
        if name != "ephemeral-storage" and name in requests and limits[name] != requests[name]:
            yield pod.inside(28, f"resources.{name}", "others use what it was promised", "make both the same")
    yield from _memory_of_directories(pod, limits)


def _memory_of_directories(pod: Pod, limits: dict[str, Any]) -> Iterator[Finding]:
    used = 0.0
    for volume in pod.volumes:
        if "emptyDir" not in volume:
            continue
        size = (volume["emptyDir"] or {}).get("sizeLimit")
        if (volume["emptyDir"] or {}).get("medium") != "Memory" or size is None:
            harm = "it fills the node's disk or memory"
            yield pod.finding(28, f"volumes[{volume['name']}].emptyDir", harm, "memory, with a sizeLimit")
        else:
            used += mebibytes(str(size))
    if "memory" in limits and used >= mebibytes(str(limits["memory"])):
        yield pod.inside(28, "resources.limits.memory", "its directories in memory alone would fill it", "add theirs")


def probes_differ(pod: Pod) -> Iterator[Finding]:
    """Control 29."""
    if not pod.serves:
        return
    probes = {name: pod.container.get(f"{name}Probe") for name in ("startup", "readiness", "liveness")}
    for name in [name for name, probe in probes.items() if not probe]:
        yield pod.inside(29, f"{name}Probe", "nobody notices that it does not serve", "give it one")
    liveness, readiness = probes["liveness"], probes["readiness"]
    if not liveness or not readiness:
        return
    if liveness == readiness:
        yield pod.inside(29, "livenessProbe", "a busy copy is killed as it is taken out", "make it slower")
    elif liveness.get("periodSeconds", 10) * liveness.get("failureThreshold", 3) < PATIENCE_SECONDS:
        harm = "a busy copy is killed, and its work goes to the next"
        yield pod.inside(29, "livenessProbe", harm, f"give it {PATIENCE_SECONDS} s at least")
