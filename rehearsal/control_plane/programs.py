"""The programs of the control plane, as tools/tools.toml installs them."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Self

from rehearsal.control_plane.errors import MissingProgram
from tools.installer import Installer

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

GROUP = "rehearsal"
"""The group of tools.toml that holds them."""


def lacking(programs: DataclassInstance) -> str:
    """`lacks NAME; looked for PATH`, of all paths of the description that cannot be run; empty when all can."""
    paths: list[Path] = [getattr(programs, field.name) for field in fields(programs)]
    missing = [path for path in paths if not os.access(path, os.X_OK)]
    names, places = ", ".join(path.name for path in missing), ", ".join(map(str, missing))
    return f"lacks {names}; looked for {places}" if missing else ""


@dataclass(frozen=True)
class Programs:
    """Where each program lies."""

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kube_scheduler: Path
    kwok: Path

    @classmethod
    def installed(cls, installer: Installer | None = None) -> Self:
        """Those of the tool cache. They may be missing there: `require` tells."""
        installer = installer or Installer()
        kubernetes = installer.folder("kubernetes")
        return cls(
            etcd=installer.folder("etcd") / "etcd",
            kube_apiserver=kubernetes / "kube-apiserver",
            kube_controller_manager=kubernetes / "kube-controller-manager",
            kube_scheduler=kubernetes / "kube-scheduler",
            kwok=installer.folder("kwok") / "kwok",
        )

    def require(self) -> None:
        """Raises MissingProgram, naming them, when some cannot be run."""
        if lacks := lacking(self):
            raise MissingProgram(
                f"The Kubernetes control plane {lacks}",
                fix="python3 tools/bootstrap.py --rehearsal    downloads or builds what is missing, once",
            )
