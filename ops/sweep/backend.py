"""Pulumi on any stack of a backend, in a folder of its own: neither the checkout's program nor its settings matter."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.machine import PASSPHRASE, STATE_DIRECTORY, states
from ops.pulumi_cli import Result
from tools.environment import toolchain_environment

PROJECT_NAME = "slm"
ENDING = 60.0
"""Seconds that Pulumi gets, once it was told to stop, to end its current steps and write its state."""

PASSPHRASES = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")


@dataclass(frozen=True)
class Backend:
    """`folder` is an empty project of this project's name; `url` is where the states are."""

    project: Path
    folder: Path
    url: str

    @property
    def local(self) -> Path | None:
        """The folder of the states, where they are in one."""
        return Path(self.url.removeprefix("file://")) if self.url.startswith("file://") else None

    def environment(self, stack: str | None) -> dict[str, str]:
        """As Pulumi is run on a stack. A passphrase that the caller gave counts; else this machine's for the stack."""
        found = {**os.environ, **toolchain_environment(), "PULUMI_BACKEND_URL": self.url}
        # It names one stack's file, and many are looked at.
        found.pop("PULUMI_OPTION_CONFIG_FILE", None)
        own = self.project / STATE_DIRECTORY / str(stack) / PASSPHRASE
        if stack and own.exists() and not any(os.environ.get(name) for name in PASSPHRASES):
            found["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(own)
        return found

    def run(
        self,
        *arguments: str,
        stack: str | None = None,
        seconds: float = 120,
        quiet: bool = False,
        extra: Mapping[str, str] | None = None,
    ) -> Result:
        """Run to the end, or for `seconds`: then Pulumi ends its current steps, and `TIMED_OUT` is in the output.

        `quiet`: standard output alone, which is then a document. Code -2 stands for an end by time.
        """
        command = ["pulumi", *arguments, *(["-s", stack] if stack else []), "--non-interactive", "--color", "never"]
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env={**self.environment(stack), **(extra or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if quiet else subprocess.STDOUT,
            text=True,
            process_group=0,
        )
        with process:
            try:
                output, errors = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                output, errors = _stopped(process)
                return Result(-2, f"{output}{errors or ''}\n{TIMED_OUT} {seconds:.0f} s")
            except KeyboardInterrupt:
                _stopped(process)
                raise
        return Result(process.returncode, output if quiet and process.returncode == 0 else f"{output}{errors or ''}")


TIMED_OUT = "it was stopped after"


def _stopped(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Let Pulumi write its state: once politely, once more to stop at once, then without asking."""
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGKILL):
        process.send_signal(number)
        try:
            output, errors = process.communicate(timeout=ENDING if number != signal.SIGKILL else None)
            return output, errors
        except subprocess.TimeoutExpired:
            continue
    return "", ""


@contextmanager
def opened(project: Path) -> Iterator[Backend]:
    """The backend that the caller names in PULUMI_BACKEND_URL, or this checkout's own states."""
    url = os.environ.get("PULUMI_BACKEND_URL") or f"file://{states(project)}"
    with tempfile.TemporaryDirectory(prefix="slm-sweep-") as folder:
        (Path(folder) / "Pulumi.yaml").write_text(f"name: {PROJECT_NAME}\nruntime: python\n")
        yield Backend(project, Path(folder), url)
