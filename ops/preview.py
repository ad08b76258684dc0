"""Plain Pulumi on a stack: a preview, and the variables under which a person's own `pulumi` finds everything."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from components.settings import SettingsError, load, load_overlay
from ops import policies
from ops.machine import Machine
from ops.pulumi_cli import Pulumi


def run(stack: str, *arguments: str, plan: Path | None = None) -> int:
    """`pulumi preview` with the terminal passed through, judged by the policy pack.

    With `plan`, what it shows is written there, secrets encrypted: `make up PLAN=path` then does that and no more.
    Gives the exit code: 1 when it failed, or in production when a control would not hold (control 70).
    """
    machine = Machine(stack)
    # A stack that must not be deployed gets no passphrase, no keys and no state by being looked at.
    load(stack, machine.project, load_overlay(machine.config_path)).require_deployable(stack)
    pulumi = Pulumi(machine)
    pulumi.ensure_stack()
    saved = ["--save-plan", str(plan.resolve())] if plan else []
    command = ["pulumi", "preview", "-s", stack, *saved, *arguments]
    environment = {**os.environ, **pulumi.environment()}
    environment |= policies.variables(environment)
    return 1 if subprocess.run(command, env=environment, cwd=pulumi.machine.project).returncode else 0


def _is_production(machine: Machine) -> bool:
    """Whether the stack says so; one whose description does not load gets every safeguard."""
    try:
        return load(machine.stack, machine.project, load_overlay(machine.config_path)).environment == "prod"
    except SettingsError:
        return True


def exports(stack: str) -> str:
    """Shell exports; `eval` them and plain `pulumi up -s <stack>` works, and is refused what policies refuse."""
    machine = Machine(stack)
    environment = Pulumi(machine).environment()
    if _is_production(machine):
        environment |= policies.variables({**os.environ, **environment})
    return "\n".join(f"export {key}={shlex.quote(value)}" for key, value in sorted(environment.items()))
