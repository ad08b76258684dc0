"""Images reach hosts over links that fail: what has arrived is not carried again."""

from __future__ import annotations

import time

import pytest

from components.targets.docker import ssh
from components.targets.docker.ssh_errors import SshError
from ops.errors import UserError
from ops.fleet import registry_line
from ops.fleet.registry import Registry
from ops.fleet.registry_pull import deliver
from ops.fleet.registry_steps import Offer
from rehearsal.hosts import Host, faults
from tests.edge.conftest import LAYERS, MIB, target
from tests.edge.deliveries import SLOW, Delivering, images

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]


def test_a_pull_whose_connection_breaks_continues_with_the_layers_it_has(
    host: Host, serving: Registry, offer: Offer
) -> None:
    with faults.bad_link(host, SLOW):
        before = host.received()
        delivering = Delivering(host, serving, offer)
        # In the fourth layer, of which most is still to come: a busy machine may notice it late.
        delivering.progress.wait_for((1 + 8 + 2 + 2) * MIB)
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
        with faults.cut(host):
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
        with faults.cut_for(host, 8):
            # Nothing of the old connection reaches the host again, not even its end.
            for line in host.run("ss", "-Htn", "state", "established", "sport = :22").splitlines():
                port = line.rpartition(":")[2].strip()
                host.run("iptables", "-I", "INPUT", "-p", "tcp", "--sport", port, "-j", "DROP")
            time.sleep(6)
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


@pytest.mark.usefixtures("impatient")
def test_layers_that_a_power_cut_has_damaged_are_not_taken_for_complete(
    host: Host, serving: Registry, offer: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_line.Line, "settle", lambda self: None)
    with faults.bad_link(host, SLOW):
        delivering = Delivering(host, serving, offer)
        delivering.progress.wait_for(12 * MIB)
        host.power_cut()
        monkeypatch.undo()
        host.power_on()
        host.wait_until_up()
        delivery = delivering.result()
    assert delivery.attempts > 1
    assert images(host) == {offer.id: ["slm.local/test-layers:1"]}
    # Each layer is read: an engine that saves a layer with another content than it was given says so.
    client = host.docker()
    assert sum(map(len, client.images.get(offer.id).save())) > sum(LAYERS) * MIB
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
