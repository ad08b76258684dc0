"""The node exporter: processors, memory, pressure and disks of the machine (pure).

It mounts nothing of the machine. What the kernel says of processors, memory, load and disks is the machine's in every
container, and the file system under Docker's own files is the one that engines, weights and logs fill.
"""

from __future__ import annotations

from components.monitoring.probe import http_probe
from components.workload import Image, Resources, Workload

NAME = "node-exporter"
PORT = 9100

COLLECTORS = (
    "cpu",
    "diskstats",
    "filesystem",
    "loadavg",
    "meminfo",
    "pressure",
    "stat",
    "time",
    "timex",
    "uname",
    "vmstat",
)

DATA_DISK = "/etc/hosts"
"""Docker mounts this file of each container from its own folder, so its file system is that of all of Docker's data."""

DISK_NAME = "/var/lib/docker"
"""What that disk is called in the figures: the folder people know it by."""


def workload(image: Image) -> Workload:
    """The exporter with only the collectors that are asked for."""
    return Workload(
        name=NAME,
        image=image,
        args=(
            f"--web.listen-address=0.0.0.0:{PORT}",
            "--web.disable-exporter-metrics",
            "--log.level=warn",
            "--collector.disable-defaults",
            *(f"--collector.{name}" for name in COLLECTORS),
        ),
        port=PORT,
        probe=http_probe(PORT, "/"),
        resources=Resources(memory_mib=64, cpus=0.25, pids=64),
    )
