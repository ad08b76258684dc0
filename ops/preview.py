"""Plain Pulumi on a stack: a preview, and the variables under which a person's own `pulumi` finds everything."""

from __future__ import annotations

import os
import shlex
import subprocess

from ops.machine import Machine
from ops.pulumi_cli import Pulumi


def run(stack: str, *arguments: str) -> int:
    """`pulumi preview` with the terminal passed through; gives its exit code."""
    pulumi = Pulumi(Machine(stack))
    pulumi.ensure_stack()
    command = ["pulumi", "preview", "-s", stack, *arguments]
    return subprocess.run(command, env={**os.environ, **pulumi.environment()}, cwd=pulumi.machine.project).returncode


def exports(stack: str) -> str:
    """Shell exports; `eval` them and plain `pulumi up -s <stack>` works."""
    environment = Pulumi(Machine(stack)).environment()
    return "\n".join(f"export {key}={shlex.quote(value)}" for key, value in sorted(environment.items()))
