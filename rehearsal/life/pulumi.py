"""The Pulumi command line on the checkout itself, with state, configuration and plugins of the rehearsal."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ops.machine import Machine
from ops.pulumi_cli import Pulumi
from rehearsal.life import run
from rehearsal.life.run import Run

FOREIGN = ("PULUMI_", "ARM_", "AZURE_", "AAD_", "KUBECONFIG", "SLM_REHEARSAL_")
"""Beginnings of variables by which somebody's real Pulumi, Azure or cluster would be reached."""


def forget_the_real_world(environment: dict[str, str] | os._Environ[str]) -> list[str]:
    """Take every variable that leads to a real cloud, cluster or backend out of the environment; their names."""
    found = sorted(name for name in environment if name.startswith(FOREIGN))
    for name in found:
        del environment[name]
    return found


@dataclass(frozen=True)
class RehearsedMachine(Machine):
    """A machine whose part of the stack lies in a folder of the rehearsal, while the program is the checkout's."""

    folder: Path = Path()

    @property
    def config_path(self) -> Path:
        return self.folder / "config" / f"Pulumi.{self.stack}.yaml"

    @property
    def backend(self) -> Path:
        path = self.folder / "state"
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path


class RehearsedPulumi(Pulumi):
    """Pulumi under the variables of the rehearsal, whatever the caller's say."""

    def __init__(self, machine: RehearsedMachine, variables: Mapping[str, str], spoken: Callable[[str], None]) -> None:
        super().__init__(machine)
        self._variables, self._spoken, self._count = dict(variables), spoken, 0
        self.transcript = machine.folder / "transcript.log"

    def environment(self) -> dict[str, str]:
        return {
            **super().environment(),
            **self._variables,
            "PULUMI_BACKEND_URL": f"file://{self.machine.backend}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.machine.passphrase_file),
            # Without it the option --event-log is not known, which Pulumi's own Automation API uses.
            "PULUMI_DEBUG_COMMANDS": "true",
        }

    @property
    def secrets_provider(self) -> None:
        """The passphrase of the rehearsal: the vault that the stack's file names is not asked."""
        return

    def play(self, *arguments: str, extra: Mapping[str, str] | None = None) -> Run:
        """Run an engine command (`preview`, `up`, `refresh`, `destroy`) on the stack to its end."""
        self._count += 1
        log = self.machine.directory / f"events-{self._count}.json"
        command = [*arguments, "-s", self.machine.stack, "--color", "never", "--event-log", str(log)]
        began = time.monotonic()
        done = self.run(*command, on_line=self._spoken, extra=extra)
        seconds = time.monotonic() - began
        with self.transcript.open("a") as transcript:
            transcript.write(f"$ pulumi {' '.join(command)}\n{done.output}\n")
        return run.read(" ".join(arguments), done.code, done.output, seconds, log)

    def files(self) -> Iterator[Path]:
        """Every file that Pulumi and this rehearsal wrote of the stack; the passphrase's own is left out."""
        for path in sorted(self.machine.config_path.parent.parent.rglob("*")):
            if path.is_file() and path != self.machine.passphrase_file:
                yield path
