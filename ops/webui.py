"""Open WebUI of a running stack: its secrets, and what a person needs to sign in."""

from __future__ import annotations

import json
import re
import secrets

from rich.console import Console

from components.settings import Settings, load, load_overlay
from components.webui import WebUi
from components.webui.workload import SECRETS
from ops import docker_client, recovery
from ops.deployment import apply
from ops.errors import UserError
from ops.guard import changes
from ops.machine import Machine
from ops.pulumi_cli import Pulumi
from ops.secrets.keys import new_key, note_page
from ops.secrets.rotate import only_on_a_terminal, refused

WEBUI_SECRETS = "webuiSecrets"
KEY, PASSWORD, SECRET_KEY = SECRETS["api-key"], SECRETS["admin-password"], SECRETS["secret-key"]


def new_password() -> str:
    """A password of 192 random bits that has the kinds of characters Open WebUI asks for."""
    while True:
        password = f"slm-{secrets.token_urlsafe(24)}"
        if re.search(r"[A-Z]", password) and re.search(r"[0-9]", password):
            return password


def load_secrets(pulumi: Pulumi) -> dict[str, str]:
    """The page's secrets by name; empty where none were made."""
    held: dict[str, str] = json.loads(pulumi.secret(WEBUI_SECRETS) or "{}")
    return held


def save_secrets(pulumi: Pulumi, held: dict[str, str]) -> None:
    """Replace the page's secrets."""
    pulumi.set_secret(WEBUI_SECRETS, json.dumps(held))


def ensure_secrets(pulumi: Pulumi) -> dict[str, str]:
    """The page's API key, its first administrator's password and the key its sessions are signed with."""
    if not (held := load_secrets(pulumi)):
        held = {KEY: new_key(), PASSWORD: new_password(), SECRET_KEY: secrets.token_urlsafe(48)}
        save_secrets(pulumi, held)
        note_page(pulumi.machine, new=True)
    else:
        note_page(pulumi.machine, new=False)
    return held


def described(machine: Machine) -> WebUi:
    """The page's settings. Raises UserError for a stack that has none."""
    settings = load(machine.stack, machine.project, load_overlay(machine.config_path))
    if settings.webui is None:
        raise UserError(
            f"stack '{machine.stack}' has no web page",
            fix=f"add slm:webui: with a target to Pulumi.{machine.stack}.yaml, then make up STACK={machine.stack}",
        )
    return settings.webui


def tell(settings: Settings, stack: str, console: Console) -> None:
    """Say where the page is, if there is one, and who may sign in."""
    page = settings.webui
    if page is None:
        return
    console.print(f"  page      {page.endpoint}   ({page.admin_email}, make webui-password STACK={stack})")
    if way := docker_client.way_to(settings, page.bind, page.port):
        console.print(f"            only its host can call it; from here first: {way}", soft_wrap=True)


def show_password(stack: str) -> None:
    """Print the administrator's first password when standard output is a terminal. Raises UserError."""
    machine = Machine(stack)
    described(machine)
    only_on_a_terminal("password", WEBUI_SECRETS, stack)
    held = load_secrets(Pulumi(machine))
    if not held:
        raise UserError(f"stack '{stack}' has no password yet", fix=f"make up STACK={stack} makes one")
    print(held[PASSWORD])


def rotate_key(stack: str, console: Console) -> None:
    """Give the page another API key and check that the gateway refuses the old one. Raises UserError.

    The page is replaced, which takes as long as its start; who is signed in stays so.
    """
    machine = Machine(stack)
    with machine.lock(f"make rotate-webui-key STACK={stack}"):
        described(machine)
        pulumi = Pulumi(machine)
        settings = load(stack, machine.project, load_overlay(machine.config_file))
        if not (held := load_secrets(pulumi)):
            raise UserError(f"stack '{stack}' has no web page yet", fix=f"make up STACK={stack} makes it")
        recovery.recover(pulumi, docker_client.of(settings), console)
        allowed = changes.before_up(pulumi, settings, console)
        save_secrets(pulumi, {**held, KEY: new_key()})
        note_page(machine, new=True)
        apply(pulumi, console, "up", "--skip-preview", *allowed)
        refused(settings, machine, held[KEY])
        console.print("  the page has a new key; the old one is refused")
