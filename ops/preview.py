"""Plain Pulumi on a stack: a preview, and the variables under which a person's own `pulumi` finds everything."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from components.settings import load, load_overlay
from ops.machine import Machine
from ops.pulumi_cli import Pulumi


def run(stack: str, *arguments: str, plan: Path | None = None) -> int:
    """`pulumi preview` with the terminal passed through; gives its exit code.

    With `plan`, what it shows is written there, secrets encrypted: `make up PLAN=path` then does that and no more.
    """
    machine = Machine(stack)
    # A stack that must not be deployed gets no passphrase, no keys and no state by being looked at.
    load(stack, machine.project, load_overlay(machine.config_path)).require_deployable(stack)
    pulumi = Pulumi(machine)
    pulumi.ensure_stack()
    saved = ["--save-plan", str(plan.resolve())] if plan else []
    command = ["pulumi", "preview", "-s", stack, *saved, *arguments]
    return subprocess.run(command, env={**os.environ, **pulumi.environment()}, cwd=pulumi.machine.project).returncode


def exports(stack: str) -> str:
    """Shell exports; `eval` them and plain `pulumi up -s <stack>` works."""
    environment = Pulumi(Machine(stack)).environment()
    return "\n".join(f"export {key}={shlex.quote(value)}" for key, value in sorted(environment.items()))
