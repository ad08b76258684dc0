"""The neighbours that this run's fetch jobs ask first, as the command told that started it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from components.neighbours import Neighbours, with_neighbour
from components.workload import Volume

NEIGHBOURS_VARIABLE = "SLM_NEIGHBOURS_FILE"
"""Names the file, readable by its owner only, that holds `Neighbours`."""


def asking(volume: Volume) -> tuple[Volume, Mapping[str, str]]:
    """The volume as its jobs fill it in this run, and the secrets they have for that.

    A file that is gone or cannot be read means no neighbour: the other sources are there.
    """
    try:
        told = Neighbours.model_validate_json(Path(os.environ[NEIGHBOURS_VARIABLE]).read_text())
    except (KeyError, OSError, ValidationError):
        return volume, {}
    neighbour = told.volumes.get(volume.name)
    return with_neighbour(volume, neighbour) if neighbour else (volume, {})
