"""The system's commands, which either work or raise."""

from __future__ import annotations

import subprocess

from rehearsal.hosts.errors import HostError
from rehearsal.real_node.programs import on_path


def command(name: str, *arguments: str, inside: int | None = None) -> list[str]:
    """A command of this system, run in the network of the process `inside` where one is given."""
    own = [str(on_path(name)), *arguments]
    return own if inside is None else [str(on_path("nsenter")), f"--net=/proc/{inside}/ns/net", "--", *own]


def run(words: list[str], what: str = "The hosts' network cannot be made") -> str:
    """What the command wrote to standard output. Raises HostError, with what it wrote to standard error."""
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise HostError(
            f"{what}: {' '.join(words)} says {done.stderr.strip() or done.returncode}",
            fix="see what it says; the kernel must have namespaces, bridges, virtual cables, TAP and loop devices",
        )
    return done.stdout
