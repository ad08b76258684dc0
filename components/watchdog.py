"""Starts an engine again that is alive and does nothing: Docker itself leaves an unhealthy container as it is (pure).

It is one container without any network. In it an HAProxy holds Docker's socket and lets two questions through: how a
container of this stack is, and to start it again. Around that, a script asks every ten seconds. On a cluster the
kubelet does the same by its liveness probe.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from components.engine_socket import configuration
from components.monitoring.probe import bash_probe
from components.workload import FILES_DIRECTORY, File, Image, Resources, Workload

NAME = "watchdog"
PORT = 2375
MEMORY_MIB = 48
STOP_SECONDS = 10
"""What is frozen ends by no signal that asks; after this it is killed."""

_SCRIPT = Path(__file__).with_name("watchdog.sh")


def workload(containers: Sequence[str], patience: int, image: Image) -> Workload:
    """The watchdog of these containers. `patience` is how long one may be unhealthy, in seconds.

    Its image is the gateway's.
    """
    names = "|".join(re.escape(name) for name in containers)
    rules = (
        f"acl look path_reg ^/(_ping|containers/({names})/json)$",
        f"acl again path_reg ^/containers/({names})/restart$",
        "http-request deny deny_status 403 unless { method GET } look or { method POST } again",
        f"http-request set-query t={STOP_SECONDS} if again",
    )
    proxy = configuration(f"127.0.0.1:{PORT}", 16, rules)
    return Workload(
        name=NAME,
        image=image,
        command=("bash", f"{FILES_DIRECTORY}/watchdog.sh"),
        args=(str(PORT), str(patience), *containers),
        files=(File(name="haproxy.cfg", content=proxy), File(name="watchdog.sh", content=_SCRIPT.read_text())),
        port=PORT,
        probe=bash_probe(PORT, "/_ping"),
        resources=Resources(memory_mib=MEMORY_MIB, cpus=0.1, pids=32),
    )
