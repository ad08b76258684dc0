"""The throw-away container in which a host serves its weights to its neighbours while they fetch (pure)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from components.neighbours import Given
from components.workload import FILES_DIRECTORY, File, Image, Resources, SecretFile, Volume, Workload

NAME = "share"
LABEL = "slm.share"
"""Label of the container and its network; its value is the stack. They are no part of the stack, which others change
while they are there."""

TOKEN, KEY = "share-token", "share-key"
"""Names of its secrets: what neighbours must show, and the private key of its certificate."""

IDLE = 3600
"""Seconds after the last request until it ends by itself, for the case that whoever started it is gone."""


@dataclass(frozen=True)
class Offered:
    """A filled volume, and the files of it that neighbours may have."""

    volume: Volume
    files: tuple[Given, ...]

    @property
    def place(self) -> str:
        """Where it is mounted: volumes of two engines may have one path."""
        return f"/weights/{self.volume.name}"


def serve_job(offered: Sequence[Offered], image: Image, user: int, group: int, certificate: str, port: int) -> Workload:
    """The job that serves these files by their sha256 to who has the token, and nothing else; it has no way out."""
    offer = {
        "port": port,
        "idle": IDLE,
        "token_file": f"{FILES_DIRECTORY}/token",
        "certificate_file": f"{FILES_DIRECTORY}/certificate.pem",
        "key_file": f"{FILES_DIRECTORY}/key.pem",
        "files": [
            {"file": f"{one.place}/{file.path}", "sha256": file.sha256, "size_bytes": file.size_bytes}
            for one in offered
            for file in one.files
        ],
    }
    return Workload(
        name=NAME,
        image=image,
        command=("python3", "-m", "slm_fetch.serve"),
        args=(f"{FILES_DIRECTORY}/offer.json",),
        files=(File(name="offer.json", content=json.dumps(offer)), File(name="certificate.pem", content=certificate)),
        secrets=(SecretFile(name="token", secret=TOKEN), SecretFile(name="key.pem", secret=KEY)),
        volumes=tuple(one.volume.model_copy(update={"path": one.place, "fill": ()}) for one in offered),
        resources=Resources(memory_mib=256, cpus=1, pids=64),
        user=user,
        group=group,
    )
