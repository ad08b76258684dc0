"""What a rule says: a control that a resource does not meet, how bad that is, what could happen and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Inputs = Mapping[str, Any]
Severity = Literal["critical", "high", "medium", "low"]
UNKNOWN = "[unknown]"
"""Stands for a value that only the deployment will know. It counts as given: nobody can judge it before."""

CRITICAL = (6, 9, 11, 16, 33, 41, 55, 56)
LOW = (13, 14, 36, 42)
MEDIUM = (3, 7, 8, 12, 18, 25, 27, 28, 29, 34, 35, 37, 59, 60, 61)


@dataclass(frozen=True)
class Finding:
    """A control that one object does not meet: where in it, what could happen, and what to do."""

    control: int
    resource: str
    path: str
    harm: str
    fix: str

    @property
    def severity(self) -> Severity:
        """How bad it is that the control is not met. It sorts findings; whether one refuses a change is not its say."""
        if self.control in CRITICAL:
            return "critical"
        return "low" if self.control in LOW else "medium" if self.control in MEDIUM else "high"

    def __str__(self) -> str:
        return f"{self.resource} {self.path}: {self.harm} (control {self.control}) — {self.fix}"


@dataclass(frozen=True)
class Resource:
    """A resource as Pulumi is asked for it: its type token, its name in the program, its inputs in Pulumi's words.

    `urn` is empty where nobody asked Pulumi.
    """

    type: str
    name: str
    inputs: Inputs
    urn: str = ""


Rule = Callable[[Resource], Iterable[Finding]]
"""What one resource alone shows."""


def value(inputs: Any, *path: str | int) -> Any:
    """What lies at a path; None where it ends before."""
    for step in path:
        try:
            inputs = inputs[step]
        except (KeyError, IndexError, TypeError):
            return None
    return inputs
