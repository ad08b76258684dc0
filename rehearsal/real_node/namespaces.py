"""The namespaces in which all of a node lives: mounts, network and processes of its own."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from rehearsal.control_plane.process import Process
from rehearsal.real_node import inside
from rehearsal.real_node.programs import on_path

MADE = 60.0
"""Seconds that making or ending them may take."""

UNSHARE = ("--mount", "--net", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--propagation=private")


@dataclass(frozen=True)
class Namespaces:
    """Made by `make`, ended by `end`. `process` is the one that made them, `first` the first one in them."""

    process: Process
    first: psutil.Process

    @classmethod
    def make(cls, folder: Path, environment: Mapping[str, str]) -> Namespaces:
        """With the node's own mounts in them, for which `folder` is used. Raises ProcessEnded."""
        command = [str(on_path("unshare")), *UNSHARE, "--", sys.executable, "-m", inside.__name__, str(folder)]
        process = Process.start("namespaces", command, folder / "namespaces.log", dict(environment))
        try:
            process.wait_until(lambda: (folder / inside.READY).exists(), MADE)
            # unshare has one child: the first process of the new namespaces.
            (first,) = psutil.Process(process.pid).children()
        except BaseException:
            process.popen.kill()
            process.popen.wait()
            raise
        return cls(process, first)

    def command(self, *command: str) -> list[str]:
        """The command, run in them."""
        entered = [str(on_path("nsenter")), f"--target={self.first.pid}", "--mount", "--net", "--pid", "--"]
        return [*entered, *command]

    def path(self, path: str) -> Path:
        """What they have at that path, as it is seen from outside."""
        return Path(f"/proc/{self.first.pid}/root{path}")

    def end(self) -> None:
        """End everything in them. The first process is over when all the others are."""
        self.process.popen.kill()
        self.process.popen.wait()
        with suppress(psutil.NoSuchProcess):
            self.first.kill()
            self.first.wait(MADE)
