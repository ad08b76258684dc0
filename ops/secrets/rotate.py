"""API keys of a running stack: show the current one, replace it without a failed request."""

from __future__ import annotations

import sys

import httpx
import tenacity
from rich.console import Console

from components.settings import Settings, load, load_overlay
from ops import docker_client, recovery
from ops.deployment import apply
from ops.errors import UserError
from ops.guard import changes
from ops.machine import Machine
from ops.place import endpoint_of, transport_to
from ops.pulumi_cli import Pulumi
from ops.secrets import keys
from ops.smoke import ask


def show(stack: str) -> None:
    """Print the current key when standard output is a terminal; refuse otherwise, so it lands in no log."""
    only_on_a_terminal("key", "apiKeys", stack)
    machine = Machine(stack)
    held = keys.load(Pulumi(machine))
    if not held:
        raise UserError(f"stack '{stack}' has no key yet", fix=f"make up STACK={stack} makes one")
    # Beside the key and not with it: whoever copies the line of the key gets the key alone.
    print(keys.told(machine, list(held)[-1]), file=sys.stderr)
    print(keys.current(held))


def only_on_a_terminal(what: str, config: str, stack: str) -> None:
    """Raise UserError when standard output is a pipe or a file; `config` is where programs find the secret."""
    if not sys.stdout.isatty():
        raise UserError(
            f"a {what} is shown on a terminal only",
            harm="through a pipe it would end in a log or a file",
            fix=f"type the command yourself; programs read: make -s env, then pulumi config get {config} -s {stack}",
        )


def rotate(stack: str, console: Console) -> None:
    """Add a key, check that it works, retire the others, check that they do not.

    At every moment at least one key that was handed out works. Raises UserError.
    """
    # It needs the chat page's secrets, whose module needs this one.
    from ops import cluster

    machine = Machine(stack)
    with machine.lock(f"make rotate-key STACK={stack}"):
        pulumi = Pulumi(machine)
        settings = load(stack, machine.project, load_overlay(machine.config_file))
        old = keys.load(pulumi)
        if not old:
            raise UserError(f"stack '{stack}' has no key yet", fix=f"make up STACK={stack} makes one")
        if cluster.runs(settings):
            cluster.rotate(pulumi, settings, old, console)
            return
        recovery.recover(pulumi, docker_client.of(settings), console)
        # A rotation deploys whatever the description says by now.
        allowed = changes.before_up(pulumi, settings, console)
        both = keys.with_another(old)
        newest = list(both)[-1]
        keys.save(pulumi, both, new=newest)
        apply(pulumi, console, "up", "--skip-preview", *allowed)
        answers(settings, machine, keys.current(both))
        console.print(f"  {newest} works beside {', '.join(old)}")
        keys.save(pulumi, {newest: both[newest]})
        apply(pulumi, console, "up", "--skip-preview", *allowed)
        answers(settings, machine, both[newest])
        refused(settings, machine, list(old.values())[-1])
        console.print(f"  {', '.join(old)} retired; make key STACK={stack} shows the new key")


_after_a_reload = tenacity.retry(
    stop=tenacity.stop_after_delay(15),
    wait=tenacity.wait_fixed(0.2),
    retry=tenacity.retry_if_exception_type(UserError),
    reraise=True,
)
"""A gateway takes a moment to read its files again."""


@_after_a_reload
def refused(settings: Settings, machine: Machine, key: str) -> None:
    """Raise UserError when the gateway still takes a retired key."""
    with httpx.Client(timeout=30, trust_env=False, transport=transport_to(settings, machine)) as client:
        url = f"{endpoint_of(settings, machine.stack)}/models"
        answer = client.get(url, headers={"Authorization": f"Bearer {key}"})
    if answer.status_code != 401:
        raise UserError(
            f"the gateway still takes a retired key (it answered {answer.status_code})",
            harm="whoever holds the old key can go on",
            fix="docker restart the gateway's container, then make rotate-key again",
        )


@_after_a_reload
def answers(settings: Settings, machine: Machine, key: str) -> None:
    """Raise UserError unless the stack answers with this key."""
    served = next(iter(settings.engines.values())).served_name
    endpoint = endpoint_of(settings, machine.stack)
    ask(endpoint, key, served, max_tokens=8, transport=transport_to(settings, machine))
