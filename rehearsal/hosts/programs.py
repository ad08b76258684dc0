"""The programs of a host: those of this system, and an SSH server that was unpacked for it where it has none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rehearsal.real_node.programs import on_path
from tools import openssh


@dataclass(frozen=True)
class Programs:
    """`unpacked` is the folder of the server's package; None where the system has `sshd`."""

    dockerd: Path
    sshd: Path
    unpacked: Path | None

    @classmethod
    def installed(cls) -> Self:
        """They may be missing: `requirements.require` tells."""
        system = on_path("sshd")
        if system.exists():
            return cls(on_path("dockerd"), system, None)
        folder = openssh.folder()
        return cls(on_path("dockerd"), folder / "usr/sbin/sshd", folder)
