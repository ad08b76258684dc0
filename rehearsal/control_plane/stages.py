"""The states that kwok moves simulated objects through: the YAML files of stages/, with their delays filled in."""

from __future__ import annotations

import re
from pathlib import Path

from rehearsal.control_plane.timing import Timing

FOLDER = Path(__file__).parent / "stages"


def render(timing: Timing) -> str:
    """One YAML stream for `kwok --config`, where `${name}` has become that time of `Timing` in milliseconds.

    Raises AttributeError when there is no such time.
    """
    text = "\n---\n".join(path.read_text().strip() for path in sorted(FOLDER.glob("*.yaml")))
    return re.sub(r"\$\{(\w+)\}", lambda found: str(round(getattr(timing, found[1]) * 1000)), text) + "\n"
