"""Images that were built here reach hosts by layers, from a registry that nobody else can use."""

from __future__ import annotations

import time
from pathlib import Path

import docker
import httpx
import psutil
import pytest

from components.targets.docker.ssh_errors import SshError
from ops.fleet.registry import Registry
from ops.fleet.registry_pull import deliver
from ops.fleet.registry_steps import Offer
from rehearsal.hosts import Host
from tests.edge.conftest import LAYERS, MIB, target
from tests.edge.deliveries import images

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]


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


def test_control_20_a_changed_host_key_gets_no_image_and_is_not_tried_again(
    host: Host, serving: Registry, offer: Offer
) -> None:
    pinned = target(host)
    host.new_host_key()
    began = time.monotonic()
    with pytest.raises(SshError, match="another host key"):
        deliver(pinned, serving.port, offer)
    assert time.monotonic() - began < 10, "its patience is fifteen minutes"
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
