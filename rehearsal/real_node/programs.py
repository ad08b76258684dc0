"""The programs of a real node: those of tools/tools.toml, and those of this system's packages."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rehearsal.control_plane.errors import MissingProgram
from rehearsal.control_plane.programs import lacking
from tools.installer import Installer

SYSTEM_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
"""iptables, ip and runc lie where users' PATH does not always lead."""


def on_path(name: str) -> Path:
    """Where the system has the program; a path that does not exist when it has none."""
    return Path(shutil.which(name, path=SYSTEM_PATH) or f"/usr/sbin/{name}")


@dataclass(frozen=True)
class NodePrograms:
    """Where each program lies. `cni_plugins` is the folder of the network plugins."""

    kubelet: Path
    kube_proxy: Path
    containerd: Path
    ctr: Path
    cni_plugins: Path
    coredns: Path
    pause: Path
    runc: Path

    @classmethod
    def installed(cls, installer: Installer | None = None) -> Self:
        """Those of the tool cache and of the system. They may be missing there: `require` tells."""
        installer = installer or Installer()
        kubernetes, containerd = installer.folder("kubernetes-node"), installer.folder("containerd")
        pods = installer.folder("node-pods")
        return cls(
            kubelet=kubernetes / "kubelet",
            kube_proxy=kubernetes / "kube-proxy",
            containerd=containerd / "containerd",
            ctr=containerd / "ctr",
            cni_plugins=installer.folder("cni-plugins"),
            coredns=pods / "coredns",
            pause=pods / "pause",
            runc=on_path("runc"),
        )

    def require(self) -> None:
        """Raises MissingProgram, naming them, when some cannot be run."""
        if lacks := lacking(self):
            raise MissingProgram(
                f"The real node {lacks}",
                harm="no container can run in the rehearsal",
                fix="python3 tools/bootstrap.py --node    downloads or builds what is missing, once; runc comes "
                "with this system's Docker engine",
            )
