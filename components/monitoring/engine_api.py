"""The one container that holds Docker's socket: an HAProxy that lets a few questions through and no command (pure).

Whoever may speak to the socket is the machine's administrator. So only this one does, on a network where nobody is but
who asks, and of what it is asked only reading passes: the list of containers, one container, the engine's version.
"""

from __future__ import annotations

from components.engine_socket import configuration
from components.monitoring.probe import bash_probe
from components.workload import FILES_DIRECTORY, File, Image, Resources, Workload

NAME = "engine-api"
PORT = 2375
ALLOWED = r"^(/v[0-9.]+)?/(_ping|version|info|containers/json|containers/[0-9a-f]{12,64}/json)$"

RULES = (f"http-request deny deny_status 403 unless {{ method GET HEAD }} {{ path_reg {ALLOWED} }}",)


def workload(image: Image) -> Workload:
    """The proxy. Its image is the gateway's."""
    return Workload(
        name=NAME,
        image=image,
        command=("haproxy",),
        args=("-db", "-f", f"{FILES_DIRECTORY}/haproxy.cfg"),
        files=(File(name="haproxy.cfg", content=configuration(f":{PORT}", 64, RULES)),),
        port=PORT,
        probe=bash_probe(PORT, "/_ping"),
        resources=Resources(memory_mib=64, cpus=0.25, pids=64),
    )
