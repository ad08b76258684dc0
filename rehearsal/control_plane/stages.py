"""The states that kwok moves simulated objects through: the YAML files of stages/, with their delays filled in."""

from __future__ import annotations

from pathlib import Path

import yaml

from rehearsal.control_plane.timing import Timing

FOLDER = Path(__file__).parent / "stages"


def render(timing: Timing) -> str:
    """One YAML stream for `kwok --config`.

    A stage's annotation `rehearsal.slm-stacks/after` names the time of `Timing` that passes before it. Raises
    AttributeError when there is no such time.
    """
    stages = [stage for path in sorted(FOLDER.glob("*.yaml")) for stage in yaml.safe_load_all(path.read_text())]
    for stage in stages:
        named = stage["metadata"].pop("annotations", {}).get("rehearsal.slm-stacks/after")
        if named:
            delay = stage["spec"].setdefault("delay", {})
            delay["durationMilliseconds"] = round(getattr(timing, named) * 1000)
    return yaml.safe_dump_all(stages, sort_keys=False)
