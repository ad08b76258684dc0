"""What one control plane has for itself: a folder, ports, certificates, and who may ask its API server what."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from rehearsal.control_plane import kubeconfig, ports
from rehearsal.control_plane.api import Api
from rehearsal.control_plane.certificates import Authority, Pair
from rehearsal.control_plane.commands import Identity, Ports

PREFIX = "slm-control-plane-"
"""Of a folder's name; the process id of its owner follows."""


@dataclass(frozen=True)
class Premises:
    """All of it is made new, and goes with `remove`."""

    folder: Path
    ports: Ports
    authority: Authority
    identity: Identity
    administrator: Pair

    @classmethod
    def make(cls, port: int) -> Self:
        """With the API server on the port, or on a free one for 0."""
        remove_abandoned()
        folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        authority = Authority(folder / "certificates")
        free = ports.free_ports(5)
        kubelets = authority.client("kube-apiserver-kubelet-client", "system:masters", name="kubelet-client")
        server, signing = authority.server("loopback"), authority.service_account_key()
        identity = Identity(authority.certificate, server, kubelets, signing)
        administrator = authority.client("administrator", "system:masters", name="administrator")
        return cls(folder, Ports(port or free[0], *free[1:]), authority, identity, administrator)

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://{ports.LOOPBACK}:{self.ports.api}"

    def api(self) -> Api:
        """A new client of the API server, with all rights."""
        return self.client(self.ports.api, self.administrator)

    def client(self, port: int, pair: Pair | None = None) -> Api:
        """A new client of one of the servers."""
        return Api(f"https://{ports.LOOPBACK}:{port}", self.identity.authority, pair or self.identity.server)

    def kubeconfig(self, name: str, user: str, *groups: str) -> Path:
        """A kubeconfig for a user of the API server who belongs to the groups."""
        return self.kubeconfig_of(name, self.authority.client(user, *groups, name=name))

    def kubeconfig_of(self, name: str, pair: Pair) -> Path:
        """A kubeconfig for whoever has the certificate."""
        path = self.folder / f"{name}.kubeconfig"
        return kubeconfig.write(path, self.server, self.identity.authority, name, pair)

    def remove(self) -> None:
        """Nothing of it stays."""
        shutil.rmtree(self.folder, ignore_errors=True)


def remove_abandoned() -> None:
    """Remove folders whose owner was killed: they hold keys, though of an authority that nothing trusts any more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}[0-9]*-*"):
        owner = int(folder.name.removeprefix(PREFIX).split("-")[0])
        if not psutil.pid_exists(owner):
            shutil.rmtree(folder, ignore_errors=True)
