"""What to fetch: the plan file, and the errors everything here may raise."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class PlanError(Exception):
    """The plan file cannot be used. The message says why."""


class SourceFailed(Exception):
    """This source cannot serve the weights now; another one may. The message is for people and holds no secret."""


class NoSpace(Exception):
    """The disk is too small. The message names the needed and the free space."""


@dataclass(frozen=True)
class Plan:
    """One model file, where it goes and where it may come from. Sizes in bytes, times in seconds."""

    name: str
    file: str
    size: int
    sha256: str | None
    directory: Path
    layout: str
    sources: list[dict[str, Any]]
    ca_bundle: Path | None
    timeout: float
    longest_pause: float


def read_plan(path: Path) -> Plan:
    """Read the plan. Raises PlanError."""
    try:
        data = json.loads(path.read_text())
        plan = Plan(
            name=data["name"],
            file=data["file"],
            size=int(data["size_bytes"]),
            sha256=data.get("sha256"),
            directory=Path(data["directory"]),
            layout=data["layout"],
            sources=list(data["sources"]),
            ca_bundle=Path(data["ca_bundle"]) if data.get("ca_bundle") else None,
            timeout=float(data.get("timeout", 30)),
            longest_pause=float(data.get("longest_pause", 20)),
        )
    except OSError as error:
        raise PlanError(f"the plan {path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise PlanError(f"the plan {path} is not usable: {type(error).__name__}: {error}") from None
    if plan.layout not in ("ollama", "file") or not plan.sources:
        raise PlanError(f"the plan {path} needs a layout (ollama or file) and at least one source")
    if Path(plan.file).name != plan.file:
        raise PlanError(f"the plan {path}: file '{plan.file}' must be a plain file name")
    return plan
