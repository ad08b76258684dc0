"""Plain Pulumi on a stack: a preview, and the variables under which a person's own `pulumi` finds everything."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from components.settings import load, load_overlay
from ops import previewed
from ops.guard import changes
from ops.machine import Machine
from ops.pulumi_cli import Pulumi


def run(stack: str, *arguments: str) -> int:
    """`pulumi preview` with the terminal passed through; gives its exit code.

    Raises UserError where it would replace or delete what is protected and not allowed (ops/guard/changes.py). Looking
    at drift, `--refresh`, is no change of anybody's, and is not judged.
    """
    machine = Machine(stack)
    # A stack that must not be deployed gets no passphrase, no keys and no state by being looked at.
    settings = load(stack, machine.project, load_overlay(machine.config_path))
    settings.require_deployable(stack)
    pulumi = Pulumi(machine)
    pulumi.ensure_stack()
    command = ["pulumi", "preview", "-s", stack, *arguments]
    environment = {**os.environ, **pulumi.environment()}
    if not changes.guarded(settings) or "--refresh" in arguments:
        return subprocess.run(command, env=environment, cwd=machine.project).returncode
    with tempfile.TemporaryDirectory(dir=machine.directory) as place:
        log = Path(place) / "events.json"
        # Without this variable Pulumi does not know the option by which its own Automation API listens.
        environment |= {"PULUMI_DEBUG_COMMANDS": "true"}
        command += [changes.IGNORING, "--event-log", str(log)]
        code = subprocess.run(command, env=environment, cwd=machine.project).returncode
        found = previewed.from_events(log.read_text() if log.exists() else "")
    if code == 0:
        for sentence in changes.require_allowed(settings, stack, changes.dangers(found)):
            print(f"  {sentence}")
    return code


def exports(stack: str) -> str:
    """Shell exports; `eval` them and plain `pulumi up -s <stack>` works."""
    environment = Pulumi(Machine(stack)).environment()
    return "\n".join(f"export {key}={shlex.quote(value)}" for key, value in sorted(environment.items()))
