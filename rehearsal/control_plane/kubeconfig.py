"""Kubeconfig files: who somebody is, and how the API server is reached."""

from __future__ import annotations

import base64
from pathlib import Path

import yaml

from rehearsal.control_plane.certificates import Pair


def kubeconfig(server: str, authority: Path, user: str, pair: Pair) -> str:
    """A kubeconfig that holds everything itself, so that it works wherever its text is taken."""

    def embedded(path: Path) -> str:
        return base64.b64encode(path.read_bytes()).decode()

    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "rehearsal", "cluster": {"server": server, "certificate-authority-data": embedded(authority)}}
            ],
            "users": [
                {
                    "name": user,
                    "user": {
                        "client-certificate-data": embedded(pair.certificate),
                        "client-key-data": embedded(pair.key),
                    },
                }
            ],
            "contexts": [{"name": "rehearsal", "context": {"cluster": "rehearsal", "user": user}}],
            "current-context": "rehearsal",
        },
        sort_keys=False,
    )


def write(path: Path, server: str, authority: Path, user: str, pair: Pair) -> Path:
    """Write the kubeconfig, readable by its owner only."""
    path.touch(mode=0o600)
    path.write_text(kubeconfig(server, authority, user, pair))
    return path
