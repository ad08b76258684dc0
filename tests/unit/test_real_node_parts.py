"""What a real node is told, what it may reach, and what is said where none can run."""

from __future__ import annotations

import io
import json
import socket
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path

import psutil
import pytest

from rehearsal.control_plane import MissingProgram
from rehearsal.control_plane.commands import POD_NETWORK, SERVICE_NETWORK
from rehearsal.real_node import CannotRun, NodePrograms, cluster, configuration, inside, require, requirements
from rehearsal.real_node.cable import RANGE, Cable
from rehearsal.real_node.images import archive
from rehearsal.real_node.relay import Relay

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("platform", "user", "told"),
    [
        ("darwin", 0, "kubelets run on Linux only, and this is darwin"),
        ("linux", 1000, "it takes root, and this is user 1000"),
    ],
)
def test_a_machine_that_cannot_run_a_node_is_told_why(
    platform: str, user: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requirements.sys, "platform", platform)
    monkeypatch.setattr(requirements.os, "geteuid", lambda: user)
    with pytest.raises(CannotRun, match=f"No real node can run on this machine: {told}"):
        require()


def test_commands_controllers_and_refusals_of_the_kernel_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements.sys, "platform", "linux")
    monkeypatch.setattr(requirements.os, "geteuid", lambda: 0)
    monkeypatch.setattr(requirements, "COMMANDS", ("sh", "no-such-command"))
    assert list(requirements.lacking()) == ["these commands are missing: no-such-command"]
    monkeypatch.setattr(requirements, "COMMANDS", ("sh",))
    monkeypatch.setattr(requirements.cgroups, "missing", lambda: ["memory"])
    monkeypatch.setattr(requirements, "_filesystems", lambda: {"ext4"})
    monkeypatch.setattr(requirements, "PROBES", {"namespaces cannot be made": ["sh", "-c", "echo denied >&2; exit 1"]})
    assert list(requirements.lacking()) == [
        "the kernel's control groups lack memory",
        "the kernel has no overlayfs",
        "namespaces cannot be made: denied",
    ]


def test_programs_that_are_not_installed_are_named_with_the_command_that_gets_them(tmp_path: Path) -> None:
    names = ("kubelet", "kube-proxy", "containerd", "ctr", "cni", "coredns", "pause", "runc")
    with pytest.raises(MissingProgram, match="lacks kubelet, kube-proxy, containerd") as told:
        NodePrograms(*(tmp_path / name for name in names)).require()
    assert "tools/bootstrap.py --node" in str(told.value)


def test_a_kubelet_lets_nobody_in_without_a_certificate_and_takes_the_older_control_groups() -> None:
    told = configuration.kubelet(Path("/node"), Path("/ca.crt"), "10.213.0.2", "group")
    assert told["authentication"]["anonymous"] == {"enabled": False}
    assert told["authorization"] == {"mode": "Webhook"}
    assert (told["readOnlyPort"], told["failCgroupV1"], told["cgroupRoot"]) == (0, False, "/group")


def test_a_small_machine_shows_the_scheduler_more_processors_than_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted: dict[str, str] = {}
    monkeypatch.setattr(inside, "mount", lambda _how, what, where: mounted.update({where: what}))
    own = tmp_path / "machine"
    (own / "cpu0" / "topology").mkdir(parents=True)
    (own / "cpu0" / "topology" / "core_id").write_text("0\n")
    (own / "online").write_text("0\n")
    monkeypatch.setattr(inside, "SHOWN", own)
    inside.processors(tmp_path, 3)
    shown = Path(mounted[str(own)])
    assert {path.name for path in shown.glob("cpu*[0-9]")} == {"cpu0", "cpu1", "cpu2"}
    assert [path.parts[-3] for path in shown.glob("cpu*/topology/core_id")] == ["cpu0"], "pods are bound to these"
    assert (shown / "online").read_text() == "0\n"
    assert not list((tmp_path / "memory-nodes").iterdir()), "or it would be counted there"


def test_addresses_of_pods_services_and_cables_are_apart_and_pods_are_the_clusters() -> None:
    pods, services = IPv4Network(configuration.PODS), IPv4Network(SERVICE_NETWORK)
    assert pods.subnet_of(IPv4Network(POD_NETWORK))
    assert not RANGE.overlaps(services)
    assert not RANGE.overlaps(IPv4Network(POD_NETWORK))
    taken = {a.address for addresses in psutil.net_if_addrs().values() for a in addresses}
    cable = Cable.choose(4194304)
    assert not {str(cable.machine), str(cable.node)} & taken
    assert len(cable.interface) <= 15, "the kernel's limit"


def test_the_name_server_is_where_kubelets_send_pods_and_where_policies_look_for_it() -> None:
    found = {(o["kind"], o["metadata"]["name"]): o for o in cluster.objects("10.213.0.1", 6443, "real-0", Path("/v"))}
    service = found["Service", "kube-dns"]
    assert service["spec"]["clusterIP"] == configuration.DNS
    assert service["spec"]["selector"] == {"k8s-app": "kube-dns"}
    pods = found["Deployment", "coredns"]["spec"]["template"]
    assert pods["metadata"]["labels"] == {"k8s-app": "kube-dns"}
    assert pods["spec"]["nodeSelector"] == {cluster.LABEL: cluster.REAL}
    assert found["StorageClass", cluster.STORAGE_CLASS]
    volumes = [o["spec"]["local"]["path"] for (kind, _), o in found.items() if kind == "PersistentVolume"]
    assert volumes == [str(folder) for folder in cluster.folders(Path("/v"))]


def test_an_image_of_one_program_holds_it_and_nothing_else(tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(b"program")
    made = archive("slm.local/pause:1", program)
    assert made == archive("slm.local/pause:1", program)
    with tarfile.open(fileobj=io.BytesIO(made)) as image:
        (told,) = json.loads(image.extractfile("manifest.json").read())  # type: ignore[union-attr]
        assert told["RepoTags"] == ["slm.local/pause:1"]
        settings = json.loads(image.extractfile(told["Config"]).read())  # type: ignore[union-attr]
        assert settings["config"]["Entrypoint"] == ["/pause"]
        layer = image.extractfile(told["Layers"][0])
        assert layer
        with tarfile.open(fileobj=layer) as files:
            assert [(m.name, m.mode) for m in files.getmembers()] == [("pause", 0o755)]


@contextmanager
def echo() -> Iterator[int]:
    """A server on loopback that says back what it hears, until there is no more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                while data := connection.recv(1024):
                    connection.sendall(data)

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join(60)


def said(port: int, *words: bytes) -> bytes:
    """All that comes back for the words."""
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        for word in words:
            connection.sendall(word)
        connection.shutdown(socket.SHUT_WR)
        found = b""
        while data := connection.recv(1024):
            found += data
    return found


def test_pods_reach_the_api_server_and_by_the_proxy_what_they_name() -> None:
    with echo() as far, echo() as api:
        relay = Relay("127.0.0.1", api)
        relay.start()
        try:
            assert said(relay.api_port, b"hello") == b"hello"
            request = f"CONNECT 127.0.0.1:{far} HTTP/1.1\r\nHost: far\r\n\r\n".encode()
            assert said(relay.proxy_port, request, b"hello") == b"HTTP/1.1 200 Connection established\r\n\r\nhello"
            assert said(relay.proxy_port, b"GET http://far/ HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 405 ")
            assert said(relay.proxy_port, b"CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 502 ")
        finally:
            relay.stop()


def test_a_site_with_a_proxy_of_its_own_is_left_by_that() -> None:
    with echo() as site:
        relay = Relay("127.0.0.1", 1, f"http://127.0.0.1:{site}")
        relay.start()
        try:
            request = b"CONNECT far.example:443 HTTP/1.1\r\n\r\n"
            assert said(relay.proxy_port, request) == request, "the site's proxy hears it as it was said"
        finally:
            relay.stop()
