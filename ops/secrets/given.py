"""Secrets that a person gives a stack: tokens of hubs, keys of external engines, certificates and their keys."""

from __future__ import annotations

import getpass
import sys

from rich.console import Console

from components.settings import Settings, load, load_overlay
from components.settings.problems import did_you_mean
from ops.errors import UserError
from ops.fleet import certificates
from ops.machine import Machine
from ops.pulumi_cli import Pulumi


def give(stack: str, name: str, console: Console) -> None:
    """Ask for a secret's content, or read it from a pipe, and keep it encrypted. Raises UserError."""
    wanted(stack, name)
    keep(stack, name, asked(name), console)


def wanted(stack: str, name: str) -> Settings:
    """The settings of a stack that has a use for a secret of this name. Raises UserError when it has none."""
    machine = Machine(stack)
    settings = load(stack, machine.project, load_overlay(machine.config_file))
    names = settings.secret_names()
    if name not in names:
        there = f"it names {', '.join(names)}" if names else "it names none"
        raise UserError(
            f"stack '{stack}' has no use for a secret '{name}'{did_you_mean(name, names)}",
            harm="nothing was kept",
            fix=f"name it in the stack's file first (key_secret, token_secret, tls); {there}",
        )
    return settings


def asked(name: str) -> str:
    """What a person types or pipes in. Raises UserError for nothing."""
    terminal = sys.stdin.isatty()
    content = getpass.getpass(f"content of {name} (is not shown): ") if terminal else sys.stdin.read()
    if not (content := content.strip("\r\n")):
        raise UserError(f"the content of '{name}' is empty", harm="nothing was kept", fix="type it, or pipe a file in")
    return content


def keep(stack: str, name: str, content: str, console: Console) -> None:
    """Keep a secret's content, encrypted. Raises UserError."""
    settings, machine = wanted(stack, name), Machine(stack)
    with machine.lock(f"make secret STACK={stack}"):
        pulumi = Pulumi(machine)
        pulumi.ensure_stack()
        pulumi.set_secret(name, content)
        tls = settings.gateway.tls
        if tls and name in (tls.certificate, tls.key):
            certificates.forget(machine)
    console.print(f"  {name} is kept, encrypted; make up STACK={stack} brings it to whoever needs it")


def require(pulumi: Pulumi, settings: Settings, stack: str) -> None:
    """Raise UserError naming the secrets that the stack needs and nobody has given yet."""
    held = pulumi.machine.config().get("config") or {}
    if missing := [name for name in settings.secret_names() if f"slm:{name}" not in held]:
        raise UserError(
            f"stack '{stack}' needs the secret{'s' if len(missing) > 1 else ''} {', '.join(missing)}",
            harm="nothing was deployed",
            fix=f"make secret NAME={missing[0]} STACK={stack} asks for it; or pipe a file into the command",
        )
