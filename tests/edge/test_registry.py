"""Images reach hosts by layers, over links that fail: what has arrived is not carried again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import httpx
import psutil
import pytest

from components.targets.docker import ssh
from components.targets.docker.ssh_errors import SshError
from ops.errors import UserError
from ops.fleet import registry_line
from ops.fleet.registry import Registry
from ops.fleet.registry_pull import Delivery, deliver
from ops.fleet.registry_steps import Offer
from rehearsal.hosts import Fleet, Host, Quality, faults
from tests.edge.conftest import LAYERS, MIB, target

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]

SLOW = Quality(bits_per_second=20e6)
"""20 MiB of layers take about nine seconds."""


@pytest.fixture
def serving(layered: tuple[Path, Offer]) -> Iterator[Registry]:
    with Registry(layered[0], read_only=True) as registry:
        yield registry


@pytest.fixture
def offer(layered: tuple[Path, Offer], fleet: Fleet) -> Iterator[Offer]:
    """The image, of which no host has anything before and after the test."""
    remove_images(fleet)
    yield layered[1]
    remove_images(fleet)


def remove_images(fleet: Fleet) -> None:
    for host in fleet:
        client = host.docker()
        for image in client.api.images():
            client.api.remove_image(image["Id"], force=True)
        assert client.api.images(all=True) == []
        client.close()


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
            assert self._changed.wait_for(lambda: self.received >= received, 60), f"only {self.received} bytes came"


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
            self._done = deliver(*self._what, self.progress, wait=2, patience=60)
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


def test_a_host_gets_the_image_with_its_id_and_names_and_nothing_else(
    host: Host, serving: Registry, offer: Offer
) -> None:
    assert [step.size // MIB for step in offer.steps] == list(LAYERS)
    before = host.received()
    delivery = deliver(target(host), serving.port, offer)
    carried = host.received() - before
    assert images(host) == {offer.id: ["slm.local/test-layers:1"]}
    assert (delivery.received, delivery.kept, delivery.attempts) == (offer.size, 0, 1)
    assert offer.size < carried < offer.size * 1.1
    client = host.docker()
    assert client.images.get(offer.id).attrs["Config"]["Cmd"] == ["/none"]
    client.close()


def test_an_image_that_is_there_already_is_not_carried_again(host: Host, serving: Registry, offer: Offer) -> None:
    deliver(target(host), serving.port, offer)
    before = host.received()
    assert deliver(target(host), serving.port, offer).received == 0
    assert host.received() - before < 100_000


def test_a_pull_whose_connection_breaks_continues_with_the_layers_it_has(
    host: Host, serving: Registry, offer: Offer
) -> None:
    with faults.bad_link(host, SLOW):
        before = host.received()
        delivering = Delivering(host, serving, offer)
        # In the middle of the fourth layer.
        delivering.progress.wait_for((1 + 8 + 2 + 4) * MIB)
        host.kill("sshd")
        assert len(images(host)) >= 3, "an image for each layer that is complete"
        host.start("sshd")
        delivery = delivering.result()
        carried = host.received() - before
    assert images(host) == {offer.id: ["slm.local/test-layers:1"]}
    assert delivery.attempts > 1
    # What was lost of the layer that was under way is the only thing that came twice.
    assert offer.size < delivery.received < offer.size + 8 * MIB
    assert offer.size < carried < (offer.size + 8 * MIB) * 1.1


def test_a_cut_of_the_link_in_the_middle_of_a_layer_loses_nothing(host: Host, serving: Registry, offer: Offer) -> None:
    with faults.bad_link(host, SLOW):
        delivering = Delivering(host, serving, offer)
        delivering.progress.wait_for(5 * MIB)
        with faults.cut_for(host, 8):
            time.sleep(2)
            held = delivering.progress.received
            time.sleep(4)
            assert delivering.progress.received == held < offer.size, "nothing comes through a cut link"
        delivery = delivering.result()
    assert (delivery.received, delivery.attempts) == (offer.size, 1)
    assert images(host) == {offer.id: ["slm.local/test-layers:1"]}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A link is given up after three seconds of silence instead of ten minutes."""
    monkeypatch.setattr(ssh, "ALIVE_SECONDS", 1)
    monkeypatch.setattr(registry_line, "ALIVE_COUNT", 3)


@pytest.mark.usefixtures("impatient")
def test_a_cut_that_only_this_side_notices_does_not_leave_the_host_waiting_for_the_dead_connection(
    host: Host, serving: Registry, offer: Offer
) -> None:
    with faults.bad_link(host, SLOW):
        delivering = Delivering(host, serving, offer)
        delivering.progress.wait_for(5 * MIB)
        with faults.cut_for(host, 12):
            time.sleep(8)
        delivery = delivering.result()
    assert delivery.attempts > 1
    assert images(host) == {offer.id: ["slm.local/test-layers:1"]}


@pytest.mark.usefixtures("impatient")
def test_a_host_without_power_in_the_middle_goes_on_when_it_is_back(
    host: Host, serving: Registry, offer: Offer
) -> None:
    with faults.bad_link(host, SLOW):
        delivering = Delivering(host, serving, offer)
        delivering.progress.wait_for(12 * MIB)
        with faults.no_power(host):
            time.sleep(1)
        delivery = delivering.result()
    assert delivery.attempts > 1
    # The three layers before were on the disk when the power went.
    assert offer.size < delivery.received < offer.size + 8 * MIB
    client = host.docker()
    assert client.images.get(offer.id).tags == ["slm.local/test-layers:1"]
    client.close()


def test_a_full_disk_is_told_and_not_tried_again(host: Host, serving: Registry, offer: Offer) -> None:
    with faults.full_disk(host, leave=6 * MIB), pytest.raises(UserError, match="the host's disk is full"):
        deliver(target(host), serving.port, offer, patience=60)
    assert deliver(target(host), serving.port, offer).image == offer.id


def test_an_unreachable_host_is_given_up_after_the_patience(host: Host, serving: Registry, offer: Offer) -> None:
    host.kill("sshd")
    began = time.monotonic()
    with pytest.raises(SshError, match="no SSH server answers"):
        deliver(target(host), serving.port, offer, patience=4, wait=1)
    assert 4 < time.monotonic() - began < 30
    host.start("sshd")
    host.wait_until_up()


def test_control_20_a_changed_host_key_gets_no_image_and_is_not_tried_again(
    host: Host, serving: Registry, offer: Offer
) -> None:
    pinned = target(host)
    host.new_host_key()
    began = time.monotonic()
    with pytest.raises(SshError, match="another host key"):
        deliver(pinned, serving.port, offer)
    assert time.monotonic() - began < 10
    assert images(host) == {}


def test_the_registry_that_hosts_see_takes_nothing_from_them(serving: Registry, offer: Offer) -> None:
    address = f"http://127.0.0.1:{serving.port}/v2/{offer.name}/"
    assert httpx.get(f"{address}manifests/{offer.steps[0].manifest}").status_code == 200
    assert httpx.post(f"{address}blobs/uploads/").status_code == 405
    with pytest.raises(ValueError, match="takes no images"):
        serving.offer(docker.from_env(), offer.id)


def test_the_registry_listens_on_loopback_only_and_ends_with_its_block(layered: tuple[Path, Offer]) -> None:
    with Registry(layered[0], read_only=True) as registry:
        connections = [one for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN]
        listening = [(one.laddr.ip, one.pid) for one in connections if one.laddr.port == registry.port]
        assert [ip for ip, _ in listening] == ["127.0.0.1"]
    assert not psutil.pid_exists(listening[0][1])
    assert sorted(path.name for path in layered[0].iterdir()) == ["layers", "registry.log"]
