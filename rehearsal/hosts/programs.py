"""The programs of a host: those of this system, and an SSH server that was unpacked for it where it has none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rehearsal.real_node.programs import on_path
from tools import openssh

SOCKET = "/run/containerd/containerd.sock"


@dataclass(frozen=True)
class Programs:
    """Where they lie. `unpacked` is the folder of the SSH server's package; None where the system has the server."""

    dockerd: Path
    containerd: Path
    sshd: Path
    unpacked: Path | None

    @classmethod
    def installed(cls) -> Self:
        """They may be missing: `requirements.require` tells."""
        system, folder = on_path("sshd"), openssh.folder()
        unpacked = None if system.exists() else folder
        sshd = folder / "usr/sbin/sshd" if unpacked else system
        return cls(on_path("dockerd"), on_path("containerd"), sshd, unpacked)

    @property
    def commands(self) -> dict[str, list[str]]:
        """How each is started on a host, as the services of Debian do it. An unpacked server is in its /usr."""
        return {
            "sshd": ["/usr/sbin/sshd" if self.unpacked else str(self.sshd), "-D", "-e"],
            "containerd": [str(self.containerd)],
            "dockerd": [str(self.dockerd), f"--containerd={SOCKET}"],
        }
