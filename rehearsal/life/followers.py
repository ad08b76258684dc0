"""What Azure does inside a cluster by itself, played by one thread: nodes follow pools, secrets follow the vault."""

from __future__ import annotations

import threading
from collections.abc import Callable

import httpx

from rehearsal.control_plane import ControlPlane, ControlPlaneError, SimulatedPool
from rehearsal.control_plane.api import Object, Refused
from rehearsal.life.vault import Driver
from rehearsal.providers.azure.cloud import Cloud

VOLUMES, CLASSES = "/api/v1/persistentvolumes", "/apis/storage.k8s.io/v1/storageclasses"

TICK = 0.3
"""Seconds between two looks."""


class Followers:
    """The thread of one cluster. `ended` is called when Azure no longer has the cluster; `disks` are what is left.

    `failure` is what ended the thread before its time, if anything did.
    """

    def __init__(self, cloud: Cloud, plane: ControlPlane, driver: Driver, ended: Callable[[], None]) -> None:
        self.failure: Exception | None = None
        self.disks: list[str] = []
        self._cloud, self._plane, self._driver, self._ended = cloud, plane, driver, ended
        self._declared: tuple[SimulatedPool, ...] = ()
        self._lived = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="followers-of-the-cloud", daemon=True)

    def start(self) -> None:
        """Follow from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Leave everything as it is."""
        self._stop.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        try:
            with self._plane.premises.api() as api:
                while not self._stop.wait(TICK):
                    clusters = self._clusters()
                    if self._lived and not clusters:
                        self.disks = kept_disks(api.items(VOLUMES), api.items(CLASSES))
                        break
                    if not clusters:
                        continue
                    self._lived = True
                    try:
                        self._nodes(clusters)
                        self._driver.sync(api)
                    except (httpx.TransportError, Refused) as error:
                        if isinstance(error, Refused) and error.status not in (404, 409):
                            raise
        except Exception as error:
            self.failure = error
            return
        if not self._stop.is_set():
            self._ended()

    def _clusters(self) -> list[Object]:
        try:
            found: list[Object] = self._cloud.pools()["clusters"]
        except FileNotFoundError:  # No cluster was ever made.
            return []
        return found

    def _nodes(self, clusters: list[Object]) -> None:
        pools = pools_of(clusters)
        if pools != self._declared:
            self._plane.declare(pools)
            self._declared = pools

    def check(self) -> None:
        """Raises ControlPlaneError when the thread has ended by a failure."""
        if self.failure:
            raise ControlPlaneError(
                f"Nodes and secrets do not follow the simulated Azure any more: {self.failure}",
                fix="report it with the text above; a rehearsal can be played again from the beginning",
            ) from self.failure


def pools_of(clusters: list[Object]) -> tuple[SimulatedPool, ...]:
    """The pools whose machines Azure has made (pure)."""
    entries = [
        entry for cluster in clusters for entry in cluster["pools"] if entry["state"] in ("Succeeded", "Updating")
    ]
    return tuple(SimulatedPool.model_validate(entry["pool"]) for entry in entries)


def kept_disks(volumes: list[Object], classes: list[Object]) -> list[str]:
    """Names of the disks that outlive their cluster: those of classes that say so (pure)."""
    keeping = {one["metadata"]["name"] for one in classes if one.get("reclaimPolicy") == "Retain"}
    disks = [v["spec"] for v in volumes if "csi" in v["spec"] and v["spec"].get("storageClassName") in keeping]
    return sorted(disk["csi"]["volumeHandle"] for disk in disks)
