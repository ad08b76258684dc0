"""One process of the control plane: its log, its end, and what is read of it when it fails."""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rehearsal.control_plane.errors import ProcessEnded

TAIL = 10
"""Lines of a log that an error quotes."""

PATIENCE = 10.0
"""Seconds a process gets to end before it is killed."""


@dataclass
class Process:
    """Started by `start`, ended by `stop`; both only once."""

    name: str
    log: Path
    popen: subprocess.Popen[bytes]

    @classmethod
    def start(cls, name: str, command: Sequence[str], log: Path, environment: dict[str, str]) -> Process:
        """Start it with its output in `log`. It ends with the process that started it, even when that one is killed."""
        # A session of its own: an interrupt from the terminal is for this process, which then stops them in order.
        with log.open("ab") as output:
            popen = subprocess.Popen(
                [*_bound_to_parent(), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,
            )
        return cls(name, log, popen)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.popen.pid

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self.popen.poll() is None

    def tail(self, lines: int = TAIL) -> str:
        """The last lines it wrote."""
        text = self.log.read_text(errors="replace").splitlines()
        return "\n".join(f"    {line[:800]}" for line in text[-lines:]) or "    (it wrote nothing)"

    def check(self) -> None:
        """Raises ProcessEnded when it does not run any more."""
        if not self.running:
            raise ProcessEnded(
                f"{self.name} ended by itself (exit code {self.popen.returncode}); it wrote at last:\n{self.tail()}",
                fix="mend what it says; start it again with a new control plane: its state is gone",
            )

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until `ready`. Raises ProcessEnded when it ends before, or is not ready in time."""
        until = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > until:
                raise ProcessEnded(
                    f"{self.name} runs, but was not ready after {seconds:.0f} s; it wrote at last:\n{self.tail()}",
                    fix="see whether the machine is too busy for it, or mend what it says",
                )
            time.sleep(0.05)

    def stop(self) -> None:
        """End it and wait for that. Does nothing when it ended already."""
        if not self.running:
            return
        self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


def _bound_to_parent() -> list[str]:
    """Linux ends the process when the *thread* that started it does, so that is asked for only in the main thread.

    Killed, not asked: an API server that lost its etcd before waits for it for good, and there is nothing to save.
    """
    setpriv = shutil.which("setpriv") if threading.current_thread() is threading.main_thread() else None
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
