"""The certificate that a host of a fleet shows its clients: given by the fleet's authority, renewed in time."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console

from components.settings import Settings
from ops.fleet.authority import Authority
from ops.machine import Machine, write_private
from ops.pulumi_cli import Pulumi


def public_part(machine: Machine) -> Path:
    """The certificate the fleet's authority gave this host; it does not exist where a person gave one."""
    return machine.config_path.parent / "certificate.pem"


def ensure(pulumi: Pulumi, settings: Settings, console: Console) -> None:
    """See that the gateway of a fleet's host has a certificate for its names that lasts.

    One that a person gave (`make secret NAME=cert`) is never replaced.
    """
    machine, tls = pulumi.machine, settings.gateway.tls
    if tls is None or machine.fleet == machine.stack:
        return
    held = machine.config().get("config") or {}
    path, there = public_part(machine), all(f"slm:{name}" in held for name in (tls.certificate, tls.key))
    if there and not path.exists():
        return
    authority, names = Authority.of(machine.fleet, machine.project), names_of(settings)
    why = authority.why_renew(path.read_text(), names) if there else "it has none yet"
    if why is None:
        return
    issued = authority.issue(names)
    pulumi.set_secret(tls.key, issued.key)
    pulumi.set_secret(tls.certificate, issued.certificate)
    write_private(path, issued.certificate)
    console.print(f"  certificate for {', '.join(names)}: made, because {why}")


def names_of(settings: Settings) -> tuple[str, ...]:
    """What a host's certificate is for: the names of its gateway, and that of its page under the same certificate."""
    page, tls = settings.webui, settings.gateway.tls
    same = page and tls and page.tls and page.tls.certificate == tls.certificate and not page.loopback
    host = urlsplit(page.endpoint).hostname if page and same else None
    return tuple(dict.fromkeys([*settings.gateway.hosts, *([host] if host else [])]))


def forget(machine: Machine) -> None:
    """What a person gives from now on is theirs, and is not renewed."""
    public_part(machine).unlink(missing_ok=True)
