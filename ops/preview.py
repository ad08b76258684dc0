"""Plain Pulumi on a stack: a preview, and the variables under which a person's own `pulumi` finds everything."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from components.settings import SettingsError, load, load_overlay
from ops import policies, previewed
from ops.errors import UserError
from ops.guard import changes
from ops.machine import Machine
from ops.pulumi_cli import Pulumi


def run(stack: str, *arguments: str, plan: Path | None = None) -> int:
    """`pulumi preview` with the terminal passed through, judged by the policy pack.

    With `plan`, what it shows is written there, secrets encrypted: `make up PLAN=path` then does that and no more.
    Gives the exit code: 1 when it failed, or in production when a control would not hold (control 70).
    Raises UserError where it would replace or delete what is protected and not allowed (ops/guard/changes.py). Looking
    at drift, `--refresh`, is no change of anybody's, and is not judged in that way.
    """
    if plan and not plan.resolve().parent.is_dir():
        raise UserError(f"there is no folder {plan.resolve().parent}", harm="nothing was looked at", fix="PLAN=path")
    machine = Machine(stack)
    # A stack that must not be deployed gets no passphrase, no keys and no state by being looked at.
    settings = load(stack, machine.project, load_overlay(machine.config_path))
    settings.require_deployable(stack)
    pulumi = Pulumi(machine)
    pulumi.ensure_stack()
    saved = ["--save-plan", str(plan.resolve())] if plan else []
    command = ["pulumi", "preview", "-s", stack, *saved, *arguments]
    environment = {**os.environ, **pulumi.environment()}
    environment |= policies.variables(environment)
    if not changes.guarded(settings) or "--refresh" in arguments:
        return _shown(command, environment, machine)
    code, found = _listened(command, environment, machine)
    if code == 0:
        try:
            for sentence in changes.require_allowed(settings, stack, changes.dangers(found)):
                print(f"  {sentence}")
        except UserError:
            # A plan of what is refused must not lie about for somebody to carry out.
            if plan:
                plan.unlink(missing_ok=True)
            raise
    return code


def _shown(command: list[str], environment: dict[str, str], machine: Machine) -> int:
    return 1 if subprocess.run(command, env=environment, cwd=machine.project).returncode else 0


def _listened(command: list[str], environment: dict[str, str], machine: Machine) -> tuple[int, previewed.Preview]:
    """The same, and what it would change. Raises UserError where Pulumi does not tell."""
    with tempfile.TemporaryDirectory(dir=machine.directory) as place:
        log = Path(place) / "events.json"
        # Without this variable Pulumi does not know the option by which its own Automation API listens.
        told = {**environment, "PULUMI_DEBUG_COMMANDS": "true"}
        code = _shown([*command, changes.IGNORING, "--event-log", str(log)], told, machine)
        if code == 0 and not log.exists():
            raise UserError(
                "Pulumi showed a preview and did not write down what is in it",
                harm="nobody has looked whether anything protected would be replaced or deleted",
                fix="make setup, for the version of Pulumi that this project pins; then run the command again",
            )
        return code, previewed.from_events(log.read_text() if log.exists() else "")


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
