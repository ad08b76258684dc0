"""Deliveries of images that tests do something to while they go on."""

from __future__ import annotations

import threading

from ops.fleet.registry import Registry
from ops.fleet.registry_pull import Delivery, deliver
from ops.fleet.registry_steps import Offer
from rehearsal.hosts import Host, Quality
from tests.edge.conftest import target

SLOW = Quality(bits_per_second=20e6)
"""20 MiB of layers take about nine seconds."""


class Progress:
    """What a delivery reported, and a way to wait for it."""

    def __init__(self) -> None:
        self.received, self.lacking = 0, 0
        self._changed = threading.Condition()

    def __call__(self, received: int, lacking: int) -> None:
        with self._changed:
            self.received, self.lacking = received, lacking
            self._changed.notify_all()

    def wait_for(self, received: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.received >= received, 120), f"only {self.received} bytes came"


class Delivering(threading.Thread):
    """A delivery that goes on while the test does something to the host."""

    def __init__(self, host: Host, registry: Registry, offer: Offer) -> None:
        super().__init__(name="delivery")
        self.progress = Progress()
        self._what = target(host), registry.port, offer
        self._done: Delivery | BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._done = deliver(*self._what, self.progress, wait=2, patience=120)
        except BaseException as error:
            self._done = error

    def result(self) -> Delivery:
        self.join(200)
        if isinstance(self._done, BaseException):
            raise self._done
        assert self._done, "it did not end"
        return self._done


def images(host: Host) -> dict[str, list[str]]:
    client = host.docker()
    try:
        return {image["Id"]: image["RepoTags"] for image in client.api.images(all=True)}
    finally:
        client.close()
