"""What a check of a description is asked about (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from components.settings import Settings
from components.targets.spec import Aks, Docker
from ops.readiness.result import Said

NOT_AZURE = "the stack makes no cluster on Azure"


@dataclass(frozen=True)
class Described:
    """What is known before anything is asked: settings, files, the caller's variables, and when."""

    stack: str
    settings: Settings
    project: Path
    environment: Mapping[str, str]
    now: datetime
    keys_made: Mapping[str, str]
    backups: Path

    @property
    def azure(self) -> dict[str, Aks]:
        """Its clusters on Azure."""
        return {name: spec for name, spec in self.settings.targets.items() if isinstance(spec, Aks)}

    @property
    def on_docker(self) -> bool:
        """Whether all of it runs on Docker hosts, where there is one copy of everything."""
        return all(isinstance(spec, Docker) for spec in self.settings.targets.values())


def all_hold(problems: list[str], good: str) -> Said:
    return ("fail", "; ".join(problems)) if problems else ("pass", good)
