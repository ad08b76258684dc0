"""What the running stack shows of its readiness; unknown where it cannot be reached."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from cryptography import x509

from components.settings import Settings
from ops import policies
from ops.machine import Machine
from ops.place import endpoint_of, transport_to
from ops.previewed import Preview, preview
from ops.pulumi_cli import Pulumi
from ops.readiness.result import Check, Said
from ops.status.state import Status

SECONDS = 10
CERTIFICATE_DAYS = 21


def _status(settings: Settings, machine: Machine) -> Status:
    from ops import inside
    from ops.prometheus import Prometheus
    from ops.status.command import look

    return look(settings, Prometheus(inside.of(settings, machine.stack)))


@dataclass(frozen=True)
class Running:
    """A stack that should run, and the ways to ask it. Tests give other ways."""

    machine: Machine
    settings: Settings
    ask: Callable[[], int] | None = None
    """The status code that a request without a key gets."""
    certificate: Callable[[], datetime] | None = None
    status: Callable[[], Status] | None = None
    previewed: Callable[[], Preview] | None = None
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        """The address of its API."""
        return endpoint_of(self.settings, self.machine.stack)

    def code(self) -> int:
        """The answer to a request without a key."""
        if self.ask:
            return self.ask()
        with httpx.Client(transport=transport_to(self.settings, self.machine), timeout=SECONDS) as client:
            return client.get(f"{self.endpoint}/models").status_code

    def ends(self) -> datetime:
        """When the certificate that it shows ends."""
        if self.certificate:
            return self.certificate()
        at = urlsplit(self.endpoint)
        shown = ssl.create_default_context()
        # It is only read; whether it is trusted is seen by every other request.
        shown.check_hostname, shown.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection((at.hostname or "", at.port or 443), SECONDS) as raw,
            shown.wrap_socket(raw, server_hostname=at.hostname) as wrapped,
        ):
            return x509.load_der_x509_certificate(wrapped.getpeercert(binary_form=True) or b"").not_valid_after_utc

    def broken(self) -> list[str]:
        """What monitoring calls broken."""
        status = self.status() if self.status else _status(self.settings, self.machine)
        return [str(one) for one in status.problems]

    def preview(self) -> Preview:
        """What an update would change, asked of Pulumi once."""
        if "preview" not in self.kept:
            asked = self.previewed or (lambda: preview(Pulumi(self.machine)))
            self.kept["preview"] = asked()
        found: Preview = self.kept["preview"]
        return found


def a_key_is_asked_for(r: Running) -> Said:
    code = r.code()
    return ("pass", "401 without a key") if code == 401 else ("fail", f"{code} without a key, and 401 is right")


def certificate_lasts(r: Running) -> Said:
    if r.settings.gateway.tls is None:
        return "not applicable", "the gateway has no TLS"
    days = (r.ends() - datetime.now(UTC)).days
    return ("pass" if days >= CERTIFICATE_DAYS else "fail"), f"it ends in {days} days"


def nothing_is_broken(r: Running) -> Said:
    if r.settings.monitoring is None:
        return "unknown", "nobody measures it"
    found = r.broken()
    return ("fail", "; ".join(found)) if found else ("pass", "no alert, every part answers")


def controls_hold(r: Running) -> Said:
    judged = policies.judged(r.preview(), r.settings)
    if not judged.judged:
        return "unknown", "the preview names no resource that any rule is about"
    found = [*map(str, judged.open), *(f"exception for {one} excuses nothing" for one in judged.unused)]
    return ("fail", "; ".join(found)) if found else ("pass", f"{judged.judged} resources judged")


def is_as_described(r: Running) -> Said:
    changes = r.preview().changes
    if not r.preview().steps:
        return "unknown", "the preview names no resource"
    told = ", ".join(f"{step.op} {step.name}" for step in changes[:5]) + (" …" if len(changes) > 5 else "")
    return ("fail", f"{len(changes)} changes wait: {told}") if changes else ("pass", "nothing to change")


CHECKS: tuple[Check[Running], ...] = (
    Check("security", "every resource meets the controls", "make policies STACK={stack}", controls_hold),
    Check("security", "the gateway asks for a key", "make smoke STACK={stack}", a_key_is_asked_for),
    Check("keys", "the certificate lasts", "make status STACK={stack}", certificate_lasts),
    Check("observability", "nothing is broken now", "make status STACK={stack}", nothing_is_broken),
    Check("reliability", "what runs is what is described", "make preview STACK={stack}", is_as_described),
)
