"""Faults around the engines: disk, targets, clock, certificate, logs, Alertmanager, a key that changes under load."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from components.monitoring import alertmanager, loki, node_exporter
from components.targets.docker.container import LOG_OPTIONS
from ops.drill import faster, stand_in
from ops.drill.drill import Drill
from ops.drill.scene import FLOOD, STAND_IN, STAND_IN_PORT, Scene
from ops.errors import UserError
from ops.secrets import rotate
from ops.stopping import stop

GIB = 2**30
LEFT_SHARE = 0.13
"""What is left of the disk: less than the alert's 15 %."""

LEFT_GIB = 10
"""A disk on which that share would be less is not filled: something else could fail for want of it."""

FILLER = ".drill-filler"
FLOOD_MIB = 45
"""Of a flood before it is text, a MiB each third of a second: faster, and Docker's rotation loses most of it unread."""

DRAIN_SECONDS = 180
"""Longest that the flood may take to be taken in afterwards, for a drill."""


def too_full(scene: Scene) -> str | None:
    """Why the disk cannot be filled to below its alert without harm."""
    size = scene.value('node_filesystem_size_bytes{job="node"}') or 0
    free = scene.value('node_filesystem_avail_bytes{job="node"}') or 0
    if size * LEFT_SHARE < LEFT_GIB * GIB:
        return f"{LEFT_SHARE:.0%} of this disk is less than {LEFT_GIB} GiB, which others need"
    if free <= size * (LEFT_SHARE + 0.02):
        return "the disk is as full already"
    return None


@contextmanager
def disk_full(scene: Scene) -> Iterator[None]:
    """A file that takes all of Docker's disk but a little, without a byte being written."""
    size = scene.value('node_filesystem_size_bytes{job="node"}') or 0
    free = scene.value('node_filesystem_avail_bytes{job="node"}') or 0
    volume, path = scene.names.volume(node_exporter.TEXT_VOLUME), node_exporter.TEXT_FOLDER
    take = int(free - size * LEFT_SHARE)
    try:
        scene.in_volume(volume, path, f"fallocate -l {take} {path}/{FILLER}")
        yield
    finally:
        scene.in_volume(volume, path, f"rm -f {path}/{FILLER}")


def mend(scene: Scene) -> None:
    """Put right what a drill that was killed has left of these faults."""
    volume, path = scene.names.volume(node_exporter.TEXT_VOLUME), node_exporter.TEXT_FOLDER
    scene.in_volume(volume, path, f"rm -f {path}/{FILLER}")
    container = scene.container(alertmanager.NAME)
    if container.status != "running":
        container.start()
        scene.wait_healthy(alertmanager.NAME)


def stands_in(scene: Scene, job: str, path: str) -> AbstractContextManager[None]:
    """The exporter of `job` is replaced, for Prometheus, by one that says what `path` has."""

    @contextmanager
    def standing() -> Iterator[None]:
        text = scene.files.originals()["prometheus.yml"]
        with scene.transient(STAND_IN, stand_in.script(STAND_IN_PORT, time.time()), ("monitoring",)) as container:
            place = f"{container.name}:{STAND_IN_PORT}"
            scene.files.write({"prometheus.yml": faster.scrapes(text, place, job, path)})
            try:
                yield
            finally:
                scene.files.write({"prometheus.yml": faster.scrapes(text)})

    return standing()


def target_refuses(scene: Scene) -> AbstractContextManager[None]:
    """What Prometheus asks wants a key that it has not."""
    return stands_in(scene, "alertmanager", stand_in.REFUSED)


def clock_wrong(scene: Scene) -> AbstractContextManager[None]:
    """The node exporter says that the clock is 0.2 s away; the clock itself is everybody's and stays."""
    return stands_in(scene, "node", stand_in.CLOCK)


def certificate_ends(scene: Scene) -> AbstractContextManager[None]:
    """The blackbox exporter says that the certificate ends within the hour."""
    return stands_in(scene, "blackbox", stand_in.CERTIFICATE)


def drains_slowly(scene: Scene) -> str | None:
    """Why a flood would be with the log store for too long afterwards."""
    own = scene.settings.monitoring
    rate = loki.ingestion_mib_per_second(own.retention) if own else 0
    if not rate or FLOOD_MIB / rate > DRAIN_SECONDS:
        return f"the store takes {rate:.3f} MiB/s (retention), so what is left of a flood would wait for an hour"
    return None


@contextmanager
def log_flood(scene: Scene) -> Iterator[None]:
    """A container writes more lines than the store may take; its files on disk stay as small as everybody's."""
    once = "head -c 1M /dev/urandom | base64 -w 200; sleep 0.3"
    script = f"for ((n = 0; n < {FLOOD_MIB}; n++)); do {once}; done; sleep 3600"
    with scene.transient(FLOOD, script) as container:
        yield
        container.reload()
        most = int(LOG_OPTIONS["max-file"]) * int(LOG_OPTIONS["max-size"].removesuffix("m")) * 1_000_000
        files = Path(container.attrs["LogPath"]).parent.glob("*-json.log*")
        size = sum(file.stat().st_size for file in files)
        if size > most * 1.1:
            raise UserError(f"{size / 1e6:.0f} MB of a container's lines lie on the disk", fix="see LOG_OPTIONS")


@contextmanager
def alertmanager_down(scene: Scene) -> Iterator[None]:
    """Nobody takes Prometheus's alerts."""
    container = scene.container(alertmanager.NAME)
    stop(container)
    try:
        yield
    finally:
        container.start()
        scene.wait_healthy(alertmanager.NAME)


class _SwitchesOver(io.StringIO):
    """Has the client use the new key once both work, as a person does who is told so."""

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self._scene = scene

    def write(self, text: str) -> int:
        if "works beside" in text:
            self._scene.look_up_key()
        return super().write(text)


@contextmanager
def key_rotated(scene: Scene) -> Iterator[None]:
    """`make rotate-key`, while somebody asks all the time."""
    # It deploys rules that tell the new key's age, which must not be put back to those of before.
    scene.files.restore()
    rotate.rotate(scene.machine.stack, Console(file=_SwitchesOver(scene), width=200))
    scene.files.hasten()
    yield


@contextmanager
def _nothing(_scene: Any) -> Iterator[None]:
    yield


def needs_a_cluster(_scene: Scene) -> str:
    """A Docker engine has no nodes."""
    return "needs a cluster: make rehearse drains a node of a real control plane"


DRILLS = (
    Drill(
        "disk-full", "the disk of engines, figures and logs fills up", disk_full, ("DiskNearlyFull",), left_out=too_full
    ),
    Drill(
        "target-refuses",
        "a target asks Prometheus for a key",
        target_refuses,
        ("TargetDown",),
        stands_for="an exporter that answers 401 in place of Alertmanager's figures",
    ),
    Drill(
        "clock-skew",
        "the machine's clock is wrong",
        clock_wrong,
        ("HostClockWrong",),
        stands_for="an exporter that says so: other people use this machine's clock",
    ),
    Drill("log-flood", "a container floods the logs", log_flood, ("LogFlood",), left_out=drains_slowly, calm=400),
    Drill(
        "certificate-ends",
        "the certificate is about to expire",
        certificate_ends,
        ("CertificateExpiresNow",),
        stands_for="an exporter that says so",
    ),
    Drill(
        "alertmanager-down",
        "Alertmanager is gone",
        alertmanager_down,
        ("PrometheusNotificationsFail", "TargetDown"),
        within=180,
    ),
    Drill("node-drain", "the node of an engine is drained", _nothing, ("EngineDown",), left_out=needs_a_cluster),
    Drill("key-rotation", "the API key is changed while it is used", key_rotated, locks_itself=True),
)
