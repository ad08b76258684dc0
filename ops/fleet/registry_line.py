"""The SSH connection by which a host pulls from the registry on this machine."""

from __future__ import annotations

import shlex
import subprocess

from components.targets.docker import ssh, ssh_errors
from components.targets.docker.tunnel import Tunnel
from components.targets.spec import Docker
from ops.fleet.registry import LOOPBACK

ANSWER = 60.0
"""Seconds until the host must have done a small thing that is asked over the open connection."""

_TAKE_OVER = """
mkdir -p ~/.cache/slm; f=~/.cache/slm/images-line
read -r old <$f && grep -q ^sshd /proc/$old/comm && kill $old
echo $PPID >$f
"""
"""The host keeps its end of a connection that was cut far away for hours, and its engine goes on waiting for the layer
that it was getting by it: a new connection ends the one before."""


class Line(Tunnel):
    """A connection of its own to a host, for a `with` block. `port` of the host's loopback is the registry."""

    def __init__(self, spec: Docker, registry: int) -> None:
        """`registry` is its port on this machine."""
        super().__init__(spec)
        self._registry = registry
        self.port = 0

    def open(self) -> Line:
        """Connect. Raises SshError."""
        super().open()
        try:
            self._call(f"sh -c {shlex.quote(_TAKE_OVER)} 2>/dev/null")
            forward = f"{LOOPBACK}:0:{LOOPBACK}:{self._registry}"
            self.port = int(self._call(extra=("-O", "forward", "-R", forward)))
        except BaseException:
            self.close()
            raise
        return self

    def _extra(self) -> tuple[str, ...]:
        # A connection of its own, not the one that commands share: it may end while they go on.
        return ("-o", f"ControlPath={self.socket('line')}", *super()._extra())

    def _call(self, *arguments: str, extra: tuple[str, ...] = ()) -> str:
        path = ("-o", f"ControlPath={self.socket('line')}")
        command = ssh.command(self._spec, *arguments, extra=(*path, *extra))
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            raise ssh_errors.silent(self._spec, ANSWER, "its answer over an open connection") from None
        if done.returncode:
            raise ssh_errors.explain(self._spec, done.stderr, done.returncode)
        return done.stdout.strip()
