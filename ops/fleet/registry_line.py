"""The SSH connection by which a host pulls from the registry on this machine."""

from __future__ import annotations

import shlex
import subprocess

from components.targets.docker import ssh, ssh_errors
from components.targets.docker.ssh_errors import SshError
from components.targets.docker.tunnel import Tunnel
from components.targets.spec import Docker
from ops.fleet.registry import LOOPBACK

ANSWER = 60.0
"""Seconds until the host must have done a small thing that is asked over the open connection."""

ALIVE_COUNT = 40
"""Times ssh.ALIVE_SECONDS of silence after which the link is given up: ten minutes. A connection that outlives a cut
goes on in the middle of a layer; a new one begins the layer anew."""

SETTLED = 600.0
"""Seconds that a slow disk may take to write what is in memory."""

_TAKE_OVER = """
exec 2>/dev/null
d=~/.cache/slm; mkdir -p $d
mine=$PPID
until [ "$mine" -le 1 ] || grep -q ^sshd /proc/$mine/comm; do mine=$(cut -d " " -f 4 /proc/$mine/stat); done
read -r old <$d/images-line
if [ "$old" ] && grep -q ^sshd /proc/$old/comm; then
  kill $old
  n=0; while [ -d /proc/$old ] && [ $n -lt 20 ]; do sleep 0.5; n=$((n+1)); done
fi
echo $mine >$d/images-line
cat $d/images-port
true
"""
"""The host keeps its end of a connection that was cut far away for hours, and its engine goes on waiting for the layer
that it was getting by it: a new connection ends the one before. What the file has is the process id of the SSH server's
end, which is an ancestor of this script."""

_REMEMBER = "sh -c 'echo {port} >~/.cache/slm/images-port'"


class Line(Tunnel):
    """A connection of its own to a host, for a `with` block. `port` of the host's loopback is the registry.

    It is the same port as the last time: an engine that still tries to get a layer by a connection that is gone then
    gets the rest of it by the new one.
    """

    def __init__(self, spec: Docker, registry: int) -> None:
        """`registry` is its port on this machine."""
        super().__init__(spec)
        self._registry = registry
        self.port = 0

    def open(self) -> Line:
        """Connect. Raises SshError."""
        super().open()
        try:
            before = self._call(f"sh -c {shlex.quote(_TAKE_OVER)}")
            self.port = self._listen(int(before) if before.isdigit() else 0)
            if str(self.port) != before:
                self._call(_REMEMBER.format(port=self.port))
        except BaseException:
            self.close()
            raise
        return self

    def settle(self) -> None:
        """What the host's engine has written is on its disk afterwards. An engine does not see to that itself: what a
        power cut leaves of a layer that was just unpacked is a layer with files missing. Raises SshError."""
        self._call("sync", seconds=SETTLED)

    def _listen(self, port: int) -> int:
        """Ask for that port on the host, and for any other when it is taken; 0 is any."""
        try:
            said = self._call(extra=("-O", "forward", "-R", f"{LOOPBACK}:{port}:{LOOPBACK}:{self._registry}"))
        except SshError:
            if port == 0 or not self.alive:
                raise
            return self._listen(0)
        return port or int(said)

    def _extra(self) -> tuple[str, ...]:
        # A connection of its own, not the one that commands share: it may end while they go on.
        own = ("-o", f"ControlPath={self.socket('line')}", "-o", f"ServerAliveCountMax={ALIVE_COUNT}")
        return (*own, *super()._extra())

    def _call(self, *arguments: str, extra: tuple[str, ...] = (), seconds: float = ANSWER) -> str:
        path = ("-o", f"ControlPath={self.socket('line')}")
        command = ssh.command(self._spec, *arguments, extra=(*path, *extra))
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            raise ssh_errors.silent(self._spec, seconds, "its answer over an open connection") from None
        if done.returncode:
            raise ssh_errors.explain(self._spec, done.stderr, done.returncode)
        return done.stdout.strip()
