"""What a site has recorded before its first deployment: images that no registry publishes, pushed to its own (pure)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.catalog import catalog, merge
from components.settings import Settings, load
from components.targets.spec import Aks
from tools.errors import ToolError

NO_REGISTRY = "registry.example"
"""Where images of a site without a registry of its own would be."""


@dataclass
class Overlay:
    """What is laid over a stack's committed file: the sections a machine's own configuration file holds.

    `invented` are the roles whose digest is made up here: nothing is pulled in a rehearsal, so nobody misses them.
    """

    stack: str
    project: Path
    sections: dict[str, Any] = field(default_factory=dict)
    invented: tuple[str, ...] = ()

    def settings(self, **more: Any) -> Settings:
        """The stack's settings with all of it, and `more` sections on top. Raises SettingsError."""
        sections = merge(self.sections, more)
        return load(self.stack, self.project, {f"slm:{key}": value for key, value in sections.items()})

    def lay(self, **more: Any) -> None:
        """Lay more sections over what there is."""
        self.sections = merge(self.sections, more)


def recorded(stack: str, project: Path) -> Overlay:
    """What a site would have recorded for the stack. Raises SettingsError, and ToolError for one without AKS."""
    overlay = Overlay(stack, project)
    settings = overlay.settings()
    target = settings.targets[settings.gateway.target]
    if not isinstance(target, Aks):
        raise ToolError(
            f"stack '{stack}' runs on {target.where}, and a rehearsal plays stacks on AKS",
            harm="nothing was started",
            fix="name one: make rehearse STACK=prod; a stack on Docker needs no rehearsal, make up runs it for real",
        )
    registry = f"{target.registry.name}.azurecr.io" if target.registry else NO_REGISTRY
    missing = settings.unprepared()
    if missing:
        overlay.lay(
            images={role: _pushed(registry, role) for role in missing},
            security={"allow_registries": [*settings.security.allow_registries, registry]},
        )
        overlay.invented = tuple(missing)
    overlay.settings().require_deployable(stack)
    return overlay


def another_digest(image: str, what: str) -> str:
    """The same image with the digest it would have after `what`."""
    return f"{image.rpartition('@')[0]}@sha256:{_digest(f'{image} {what}')}"


def _pushed(registry: str, role: str) -> str:
    row = catalog().images[role]
    return f"{registry}/slm/{role}:{row.build_version or row.tag}@sha256:{_digest(role)}"


def _digest(what: str) -> str:
    return hashlib.sha256(f"rehearsal {what}".encode()).hexdigest()
