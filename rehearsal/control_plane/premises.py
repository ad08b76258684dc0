"""What one control plane has for itself: a folder, ports, certificates, and who may ask its API server what."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rehearsal.control_plane import kubeconfig, ports
from rehearsal.control_plane.api import Api
from rehearsal.control_plane.certificates import Authority, Pair
from rehearsal.control_plane.commands import Identity, Ports


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
        folder = Path(tempfile.mkdtemp(prefix="slm-control-plane-"))
        authority = Authority(folder / "certificates")
        free = ports.free_ports(5)
        identity = Identity(authority.certificate, authority.server("loopback"), authority.service_account_key())
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
