"""A fleet's own certificate authority: what it signs, who may read it, when a certificate is made anew."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from components.settings import load
from ops.fleet import certificates
from ops.fleet.authority import LASTS, RENEW_BEFORE, Authority, Issued, days_left
from ops.machine import Machine
from tests.unit.test_fleet_rollout import described

pytestmark = pytest.mark.unit

NAMES = ("127.0.0.1", "localhost", "edge.example.org")


def authority(folder: Path, name: str = "edge") -> Authority:
    return Authority.of(name, folder)


@contextmanager
def server(folder: Path, issued: Issued) -> Iterator[int]:
    """A TLS server with this certificate; gives its port."""
    (folder / "host.pem").write_text(issued.certificate + issued.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "host.pem")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    plain, _ = listening.accept()
                except OSError:
                    return
                try:
                    context.wrap_socket(plain, server_side=True).close()
                except (ssl.SSLError, OSError):
                    plain.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def handshake(port: int, trusted: Path, name: str) -> None:
    context = ssl.create_default_context(cafile=str(trusted))
    with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain, server_hostname=name):
        pass


def test_a_client_that_trusts_the_authority_accepts_a_host_by_each_of_its_names(tmp_path: Path) -> None:
    own = authority(tmp_path)
    with server(tmp_path, own.issue(NAMES)) as port:
        for name in NAMES:
            handshake(port, own.certificate_file, name)
        with pytest.raises(ssl.SSLCertVerificationError, match=r"doesn't match|not valid for"):
            handshake(port, own.certificate_file, "other.example.org")
        other = authority(tmp_path, "other")
        other.ensure()
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(port, other.certificate_file, "localhost")


def test_only_this_user_reads_the_authority_and_its_key(tmp_path: Path) -> None:
    own = authority(tmp_path)
    own.issue(NAMES)
    assert stat.S_IMODE(own.folder.stat().st_mode) == 0o700
    for path in own.folder.glob("ca.*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "PRIVATE" not in own.certificate_file.read_text()


def test_the_authority_is_made_once(tmp_path: Path) -> None:
    first = authority(tmp_path).ensure()
    assert authority(tmp_path).ensure() == first


def test_a_certificate_is_made_anew_in_time_for_other_names_and_for_another_authority(tmp_path: Path) -> None:
    own, now = authority(tmp_path), datetime.now(UTC).replace(microsecond=0)
    held = own.issue(NAMES, now).certificate
    assert own.why_renew(held, NAMES, now) is None
    assert own.why_renew(held, NAMES[:2], now) is None
    assert "is not for new.example.org" in str(own.why_renew(held, (*NAMES, "new.example.org"), now))
    late = now + LASTS - RENEW_BEFORE
    assert own.why_renew(held, NAMES, late - timedelta(days=1)) is None
    assert "ends in 29 days" in str(own.why_renew(held, NAMES, late + timedelta(hours=1)))
    assert "ends in 0 days" in str(own.why_renew(held, NAMES, now + LASTS + timedelta(days=9)))
    assert "another certificate authority" in str(authority(tmp_path, "other").why_renew(held, NAMES, now))
    assert days_left(held, now) == LASTS.days


class Secrets:
    """Stands for Pulumi's encrypted configuration of one stack."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.held = machine, dict[str, str]()

    def set_secret(self, key: str, value: str) -> None:
        self.held[key] = value
        self.machine.record({key: {"secure": "x"}})


def ensure(secrets: Secrets, project: Path) -> str:
    console = Console(record=True, quiet=False, file=(project / "out").open("w"), width=200)
    certificates.ensure(secrets, load("edge.h1", project), console)  # type: ignore[arg-type]
    said: Any = console.export_text()
    console.file.close()
    return str(said)


def test_a_hosts_certificate_is_made_once_and_again_for_a_new_name(tmp_path: Path) -> None:
    described(tmp_path)
    secrets = Secrets(Machine("edge.h1", tmp_path))
    assert "it has none yet" in ensure(secrets, tmp_path)
    first = dict(secrets.held)
    assert set(first) == {"c", "k"}
    assert "PRIVATE KEY" in first["k"]
    assert ensure(secrets, tmp_path) == ""
    assert secrets.held == first
    described(tmp_path, hosts=["chat.example.org"])
    assert "it is not for chat.example.org" in ensure(secrets, tmp_path)
    assert secrets.held["c"] != first["c"]


def test_a_certificate_that_a_person_gave_is_never_replaced(tmp_path: Path) -> None:
    described(tmp_path)
    secrets = Secrets(Machine("edge.h1", tmp_path))
    secrets.set_secret("c", "their certificate")
    secrets.set_secret("k", "their key")
    assert ensure(secrets, tmp_path) == ""
    assert secrets.held == {"c": "their certificate", "k": "their key"}


def test_what_a_person_gives_later_ends_the_authoritys_care(tmp_path: Path) -> None:
    described(tmp_path)
    machine = Machine("edge.h1", tmp_path)
    secrets = Secrets(machine)
    ensure(secrets, tmp_path)
    secrets.set_secret("c", "their certificate")
    certificates.forget(machine)
    described(tmp_path, hosts=["chat.example.org"])
    assert ensure(secrets, tmp_path) == ""
    assert secrets.held["c"] == "their certificate"
