"""The node exporter: processors, memory, pressure and disks of the machine (pure).

It mounts nothing of the machine. What the kernel says of processors, memory, load and disks is the machine's in every
container, and the file system under Docker's own files is the one that engines, weights and logs fill.
"""

from __future__ import annotations

from components.monitoring.probe import http_probe
from components.workload import Image, Resources, Volume, Workload

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
"""Docker and kubelets mount this file of each container from their own folder, so its file system is that of all their
data."""

DOCKER_DISK = "/var/lib/docker"
KUBELET_DISK = "/var/lib/kubelet"
"""What that disk is called in the figures: the folder people know it by."""


TEXT_VOLUME = "node-exporter-texts"
TEXT_FOLDER = "/texts"
"""Figures of what happens now and then, such as a backup: whoever did it leaves a file of them here."""


def workload(image: Image, *, texts: bool = False) -> Workload:
    """The exporter with only the collectors that are asked for; with `texts`, also what lies in TEXT_FOLDER."""
    kept = Volume(name=TEXT_VOLUME, path=TEXT_FOLDER, size_gib=0.01, keep=True)
    found = (f"--collector.textfile.directory={TEXT_FOLDER}", "--collector.textfile") if texts else ()
    return Workload(
        name=NAME,
        image=image,
        args=(
            f"--web.listen-address=0.0.0.0:{PORT}",
            "--web.disable-exporter-metrics",
            "--log.level=warn",
            "--collector.disable-defaults",
            *(f"--collector.{name}" for name in COLLECTORS),
            *found,
        ),
        volumes=(kept,) if texts else (),
        port=PORT,
        probe=http_probe(PORT, "/"),
        resources=Resources(memory_mib=64, cpus=0.25, pids=64),
    )
