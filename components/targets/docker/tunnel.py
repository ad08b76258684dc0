"""One SSH connection to a host, through which its Docker engine is a socket in a private folder of this machine."""

from __future__ import annotations

import os
import pwd
import selectors
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from components.targets.docker import ssh, ssh_errors
from components.targets.spec import Docker

DOCKER_SOCKET = "/var/run/docker.sock"
PATIENCE = 60.0
"""Seconds until the host must have said whether its engine can be used; on a bad link a login takes a dozen round
trips."""

PREFIX = "slm-ssh-"
"""Of the private folders; the process id of their owner follows."""

_PROBE = f"""
s={DOCKER_SOCKET}
if [ ! -S $s ]; then echo no-socket
elif [ ! -r $s ] || [ ! -w $s ]; then echo not-allowed
elif ! command -v docker >/dev/null 2>&1; then echo no-client
else echo ready; fi
exec cat >/dev/null
"""
"""What runs on the host as long as the tunnel is open: it ends with the connection, which ends with this process."""


class Tunnel:
    """A connection to one host, for a `with` block or until `close`.

    `forwards` names further ports of the host, each of which becomes a socket as well. While it is open, everything
    else that talks to the host with `ssh.options` shares its connection.
    """

    def __init__(self, spec: Docker, forwards: Mapping[str, tuple[str, int]] | None = None) -> None:
        self._spec, self._forwards = spec, dict(forwards or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None

    @property
    def url(self) -> str:
        """The engine's address for the Docker SDK. The tunnel must be open."""
        return f"unix://{self.socket('docker')}"

    def socket(self, name: str) -> Path:
        """The socket that leads to a port of `forwards`. The tunnel must be open."""
        if self._folder is None:
            raise RuntimeError("the tunnel is not open")
        return self._folder / f"{name}.sock"

    def open(self) -> Self:
        """Connect, and see that the host's engine can be used. Raises SshError."""
        home = Path(pwd.getpwuid(os.getuid()).pw_dir)  # where OpenSSH itself looks, whatever HOME says
        for key_file in (self._spec.key_file, self._spec.jump.key_file if self._spec.jump else None):
            if key_file and not ssh.expanded(key_file, home).exists():
                raise ssh_errors.no_key_file(self._spec, key_file)
        remove_abandoned()
        self._folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        _forget_stale(ssh.expanded(ssh.shared(self._spec), home))
        try:
            with (self._folder / "said").open("wb") as said:
                self._process = subprocess.Popen(
                    ssh.command(self._spec, f"sh -c {shlex.quote(_PROBE)}", extra=self._extra()),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    # An interrupt of the terminal is for the deployment, which still needs the host to end its steps.
                    start_new_session=True,
                )
            word = self._first_word()
            if error := ssh_errors.explain_docker(self._spec, word):
                raise error
            if word != "ready":
                code = self._process.poll()
                raise ssh_errors.explain(self._spec, f"{self._said()}\n{word}" if word else self._said(), code)
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Hang up. A closed tunnel stays closed when it is closed again."""
        if process := self._process:
            for stream in (process.stdin, process.stdout):
                if stream:
                    with suppress(OSError):
                        stream.close()
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self._process = None
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as this side knows."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _extra(self) -> tuple[str, ...]:
        forwards = ["-L", f"{self.socket('docker')}:{DOCKER_SOCKET}"]
        for name, (host, port) in self._forwards.items():
            forwards += ["-L", f"{self.socket(name)}:{host}:{port}"]
        return ("-o", "ControlMaster=yes", "-o", "ControlPersist=no", "-o", "ExitOnForwardFailure=yes", *forwards)

    def _first_word(self) -> str:
        """The first line from the host; empty when `ssh` ended before there was one. Raises SshError after PATIENCE."""
        process = self._process
        if process is None or process.stdout is None:
            raise RuntimeError("the tunnel is not open")
        line, end = b"", time.monotonic() + PATIENCE
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not ready.select(max(0, end - time.monotonic())):
                    raise ssh_errors.silent(self._spec, PATIENCE, "the login")
                piece = os.read(process.stdout.fileno(), 1)
                if not piece:
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(5)
                    break
                line += piece
        return line.decode(errors="replace").strip()

    def _said(self) -> str:
        path = self._folder / "said" if self._folder else None
        return path.read_text(errors="replace") if path and path.exists() else ""


def remove_abandoned() -> None:
    """Remove the folders of this user's processes that were ended before they could: Pulumi ends its program so."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}[0-9]*-*"):
        owner = int(folder.name.removeprefix(PREFIX).partition("-")[0])
        with suppress(OSError):
            if folder.stat().st_uid == os.getuid() and not _lives(owner):
                shutil.rmtree(folder)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _forget_stale(path: Path) -> None:
    """Remove the socket of a shared connection whose process was killed; make the folder it goes into."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as probe, suppress(FileNotFoundError):
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
