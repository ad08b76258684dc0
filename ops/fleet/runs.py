"""One command on many hosts at a time: each in a process of its own, which writes to a log of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Protocol

from rich.console import Console

from ops.machine import PROJECT, STATE_DIRECTORY

SHOWN = 12
"""Lines of a failed command's output that are shown; its log has all."""


@dataclass(frozen=True)
class Ran:
    """A command that has ended on one host."""

    host: str
    code: int
    output: str
    seconds: float


class Turns(Protocol):
    """Decides when a host's turn comes, where one needs what another has."""

    def ready(self, host: str) -> bool:
        """Whether its turn may begin. Once nobody's turn goes on, it begins in any case."""

    def before(self, host: str) -> Mapping[str, str]:
        """Called when it begins; gives variables for the host's command."""

    def after(self, host: str, *, well: bool) -> None:
        """Called when it has ended."""

    def over(self) -> None:
        """Called when all have ended, however they did."""


class Runs:
    """Runs `python -m ops …` for hosts of the fleet `stack`, at most `parallel` at a time."""

    def __init__(self, stack: str, parallel: int, console: Console, project: Path = PROJECT) -> None:
        self._stack, self._parallel, self._console, self._project = stack, parallel, console, project
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._starting, self._stopped = Lock(), False

    def log(self, host: str) -> Path:
        """Where the last command on a host wrote to."""
        return self._project / STATE_DIRECTORY / self._stack / "logs" / f"{host}.log"

    def all(
        self,
        hosts: Sequence[str],
        *arguments: str,
        said: str,
        environment: Mapping[str, Mapping[str, str]] | None = None,
        turns: Turns | None = None,
    ) -> list[Ran]:
        """Run a command for each host to its end, and say of each how it went; `environment` has variables by host.

        `turns` decides whose turn it is; otherwise all begin at once. An interrupt reaches every command, and is raised
        when all have ended.
        """
        self.log("any").parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        found: dict[str, Ran] = {}
        more = environment or {}

        def turn(host: str) -> Ran:
            if self._stopped:
                return Ran(host, 130, "", 0)
            own = turns.before(host) if turns else {}
            return self._one(host, arguments, {**more.get(host, {}), **own})

        with ThreadPoolExecutor(max_workers=self._parallel) as threads:
            waiting, running = list(hosts), dict[Future[Ran], str]()
            try:
                while waiting or running:
                    now = [host for host in waiting if turns is None or turns.ready(host)]
                    # Those who wait for somebody who does not come would wait for ever.
                    now = now or ([] if running else waiting)
                    waiting = [host for host in waiting if host not in now]
                    running |= {threads.submit(turn, host): host for host in now}
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        ran = found[running.pop(future)] = future.result()
                        if turns:
                            turns.after(ran.host, well=ran.code == 0)
                        self._tell(ran, said)
            except KeyboardInterrupt:
                self._interrupt()
                raise
            finally:
                self._end(threads, turns)
        return [found[host] for host in hosts]

    @staticmethod
    def _end(threads: ThreadPoolExecutor, turns: Turns | None) -> None:
        threads.shutdown()
        if turns:
            turns.over()

    def _one(self, host: str, arguments: Sequence[str], environment: Mapping[str, str]) -> Ran:
        started = time.monotonic()
        with self._starting:
            if self._stopped:
                return Ran(host, 130, "", 0)
            process = self._running[host] = subprocess.Popen(
                [sys.executable, "-m", "ops", *arguments, "--stack", f"{self._stack}.{host}"],
                cwd=self._project,
                env={**os.environ, "COLUMNS": "160", "NO_COLOR": "1", **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                process_group=0,
            )
        lines = []
        with self.log(host).open("w") as log:
            for line in process.stdout or ():
                lines.append(line)
                log.write(line)
                log.flush()
        code = process.wait()
        del self._running[host]
        return Ran(host, code, "".join(lines), time.monotonic() - started)

    def _tell(self, ran: Ran, said: str) -> None:
        if ran.code == 0:
            self._console.print(f"  [green]{ran.host}[/green]: {said}, {ran.seconds:.0f} s")
            return
        self._console.print(
            f"  [red]{ran.host}[/red]: failed after {ran.seconds:.0f} s; all of it: {self.log(ran.host)}"
        )
        for line in why(ran):
            self._console.print(f"    {line}", markup=False, highlight=False, soft_wrap=True)

    def _interrupt(self) -> None:
        with self._starting:
            self._stopped = True
        for process in list(self._running.values()):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)


def why(ran: Ran) -> list[str]:
    """The part of a failed command's output that says why."""
    lines = [line.rstrip() for line in ran.output.splitlines() if line.strip()]
    start = next((at for at in range(len(lines) - 1, -1, -1) if lines[at].startswith("error ")), None)
    return lines[start:][:SHOWN] if start is not None else lines[-SHOWN:]
