"""A project of a few lines under the real Pulumi engine, with state and configuration as any stack of a machine has."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from rich.console import Console

from ops.machine import Machine
from ops.previewed import Preview, preview
from ops.pulumi_cli import Pulumi


class SmallProject:
    """Stack `site` of a project named like ours; its program is a text, its resources cost nothing."""

    def __init__(self, folder: Path, program: str, variables: dict[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "Pulumi.yaml").write_text("name: slm\nruntime: python\n")
        self.folder, self.variables = folder, variables or {}
        self.program(program)
        self.machine = Machine("site", folder)
        self.pulumi = _Pulumi(self.machine, self.variables)
        self.pulumi.ensure_stack()

    def program(self, text: str) -> None:
        """From now on the program is this."""
        (self.folder / "__main__.py").write_text(text)

    def up(self, *options: str) -> str:
        return self.pulumi.check("up", "-s", "site", "--yes", "--skip-preview", "--color", "never", *options)

    def preview(self, *options: str) -> Preview:
        return preview(self.pulumi, *options)

    def changes(self) -> dict[str, list[str]]:
        """What a preview would do, by the resource's name."""
        found: dict[str, list[str]] = {}
        for step in self.preview().changes:
            found.setdefault(step.name, []).append(step.op)
        return found


class _Pulumi(Pulumi):
    def __init__(self, machine: Machine, variables: dict[str, str]) -> None:
        super().__init__(machine)
        self._variables = variables

    def environment(self) -> dict[str, str]:
        return {**super().environment(), **self._variables, "PULUMI_BACKEND_URL": f"file://{self.machine.backend}"}


def spoken() -> Console:
    """A console whose words `said` gives."""
    return Console(file=io.StringIO(), width=300)


def said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def resources(document: dict[str, Any]) -> list[str]:
    """The URNs of an exported state."""
    return [one["urn"] for one in (document.get("deployment") or {}).get("resources") or []]
