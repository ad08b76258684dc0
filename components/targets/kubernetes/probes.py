"""When a pod counts as started, ready and alive, and how it ends (pure)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from components.targets.kubernetes.names import Manifest
from components.workload import FILES_DIRECTORY, Probe, Workload

SETTLE_SECONDS = 15
"""A pod that ends is first taken off load balancers, Services and name servers, which takes this long; until then it
still gets requests, so it goes on serving them."""

LAST_SECONDS = 10
"""Between the end of a drain and the kubelet's SIGKILL (control 37)."""

LIVENESS_INTERVAL = 30
LIVENESS_FAILURES = 10
"""A copy is started again after five minutes in which every single probe failed: long enough for the worst burst, short
enough for a night without anyone watching."""

_SEEN = "/dev/shm/slm-files"  # noqa: S108 - memory of the pod's own, and the only place every pod can write
# The kubelet swaps `..data` at one instant when the content of a mounted Secret changes.
_RELOAD = """\
now=$(readlink {files}/..data); seen=$(cat {seen} 2>/dev/null)
if [ "$now" != "$seen" ]; then
  if [ -n "$seen" ]; then kill -{signal} {pid}; fi
  echo "$now" >{seen}
fi
exec "$@"
"""
_DRAIN = "sleep {settle}; kill -{signal} 1; sleep {drain}"
# Field 22 of /proc/1/stat is when the first process began, in ticks since the machine started. The two seconds are for
# clocks that count in whole ones: what is younger than the process belongs to it.
_FRESH = """\
began() {{ shift 19; echo $(($(sed -n 's/^btime //p' /proc/stat) + $1 / $(getconf CLK_TCK) - 2)); }}
first=$(cat /proc/{pid}/stat)
find {paths} -xdev -type f ! -newerct "@$(began ${{first##*) }})" -delete 2>/dev/null
exec "$@"
"""


def literal(text: str) -> str:
    """The text as Kubernetes passes it on unchanged where it replaces `$(NAME)`: command, args, env and probes."""
    return text.replace("$", "$$")


def startup_probe(workload: Workload, probe: Probe) -> Manifest:
    """Until it answers for the first time, for as long as its engine says that may take (control 30).

    What a container wrote into memory outlives it, and a workload counts on directories that are empty at each start:
    an engine's probe remembers there that a token has come, which is not true of the next process. So what is older
    than the process is removed first. Only a script of the workload's own remembers anything; other images may have no
    shell at all.
    """
    command = probe.command
    if workload.scratch and any(word.startswith(FILES_DIRECTORY) for word in command):
        command = ("sh", "-c", fresh_script([s.path for s in workload.scratch]), "probe", *command)
    return {
        **_exec(command),
        "periodSeconds": probe.interval,
        "timeoutSeconds": probe.timeout,
        "failureThreshold": max(1, math.ceil(probe.startup / probe.interval)),
    }


def readiness_probe(workload: Workload, probe: Probe) -> Manifest:
    """Whether it gets requests.

    A workload that can read its files again is told to here, when they have changed. Pods have no way to be signalled
    from outside; a second container would need to see the first one's processes, and a changed pod would end streams
    that outlast its drain. The probe is a process of the pod's own container, run every few seconds anyway.
    """
    command = probe.command
    if workload.reload_signal and workload.secrets:
        command = ("sh", "-c", reload_script(workload.reload_signal), "probe", *command)
    return {
        **_exec(command),
        "periodSeconds": probe.interval,
        "timeoutSeconds": probe.timeout,
        "failureThreshold": probe.retries,
    }


def liveness_probe(probe: Probe) -> Manifest:
    """Whether it is started again: when it has hung for minutes, and never because it is busy (control 29).

    A connection would not show that: the kernel accepts it for a process that stands still (fault 21). So it is the
    engine's own question, asked seldom and believed late.
    """
    return {
        **_exec(probe.command),
        "periodSeconds": max(LIVENESS_INTERVAL, 2 * probe.interval),
        "timeoutSeconds": min(probe.timeout, LIVENESS_INTERVAL),
        "failureThreshold": max(LIVENESS_FAILURES, 2 * probe.retries),
    }


def fresh_script(paths: Sequence[str], pid: int = 1) -> str:
    """A script that removes files older than the process `pid` from `paths`, then becomes the command it is given."""
    return _FRESH.format(paths=" ".join(paths), pid=pid)


def reload_script(signal: str, files: str = FILES_DIRECTORY, seen: str = _SEEN, pid: int = 1) -> str:
    """A script that sends `pid` a signal when `files` have changed since it last ran, then becomes its command."""
    return _RELOAD.format(files=files, seen=seen, signal=signal.removeprefix("SIG"), pid=pid)


def _exec(command: tuple[str, ...]) -> Manifest:
    return {"exec": {"command": [literal(word) for word in command]}}


def before_stopping(workload: Workload) -> Manifest:
    """What happens before the kubelet sends its own signal: the pod goes on serving until nobody sends it requests.

    Kubernetes has no word for a signal that all its versions know, and an image's own may be another one, so a workload
    that drains on something else than SIGTERM is sent it from here; its image needs `sh`. When the process has ended,
    the pod is over, and so is the waiting.
    """
    if workload.stop_signal == "SIGTERM":
        return {"preStop": {"sleep": {"seconds": SETTLE_SECONDS}}}
    signal = workload.stop_signal.removeprefix("SIG")
    script = _DRAIN.format(settle=SETTLE_SECONDS, signal=signal, drain=workload.drain)
    return {"preStop": {"exec": {"command": ["sh", "-c", script]}}}


def grace_seconds(workload: Workload) -> int:
    """terminationGracePeriodSeconds: the time before the drain, the drain, and some more (control 37)."""
    settle = 0 if workload.is_job else SETTLE_SECONDS
    return settle + workload.drain + LAST_SECONDS
