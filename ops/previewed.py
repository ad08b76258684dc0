"""What `pulumi preview --json` says, as typed data: what would happen to each resource, and how it is described."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from ops.failures import explain
from ops.pulumi_cli import Pulumi

SAME = "same"


class _Part(BaseModel):
    # A newer command line may say more; nobody here reads it.
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _without_null(cls, data: Any) -> Any:
        # Go writes an empty list or map as null.
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, Mapping) else data


class State(_Part):
    """A resource as it is, or as it would be."""

    inputs: Mapping[str, Any] = Field(default_factory=dict)
    outputs: Mapping[str, Any] = Field(default_factory=dict)
    parent: str = ""
    id: str = ""
    protect: bool = False
    retain_on_delete: bool = False


class Step(_Part):
    """What would happen to one resource; `op` is create, update, replace, delete, same, read or another of Pulumi's."""

    op: str
    urn: str
    old_state: State | None = None
    new_state: State | None = None
    replace_reasons: tuple[str, ...] = ()
    diff_reasons: tuple[str, ...] = ()
    detailed_diff: Mapping[str, Any] | None = None

    @property
    def type(self) -> str:
        """The resource's type token, without those of its parents."""
        return self.urn.split("::")[2].rpartition("$")[2]

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return self.urn.split("::", 3)[3]

    @property
    def fields(self) -> tuple[str, ...]:
        """Which inputs differ, as paths where the provider tells them."""
        return tuple(sorted(self.detailed_diff or self.diff_reasons))


class Diagnostic(_Part):
    """What was said during the preview; `severity` is debug, info, info#err, warning or error."""

    severity: str = "info"
    message: str = ""
    urn: str = ""


class Preview(_Part):
    """All of it. A replaced resource has several steps: replace, create-replacement and delete-replaced."""

    steps: tuple[Step, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    change_summary: Mapping[str, int] = Field(default_factory=dict)

    @property
    def changes(self) -> tuple[Step, ...]:
        """The steps that change something."""
        return tuple(step for step in self.steps if step.op != SAME)


def parse(output: str) -> Preview:
    """Read what the command printed, warnings before and after it included. Raises ValueError when it is no preview."""
    start, end = output.find("{"), output.rfind("}")
    try:
        return Preview.model_validate_json(output[start : end + 1])
    except ValidationError as error:
        raise ValueError(f"this is no preview of Pulumi's: {error}") from None


def from_events(log: str) -> Preview:
    """The same out of the lines that Pulumi's option `--event-log` writes, one event a line."""
    steps = []
    for line in log.splitlines():
        event = json.loads(line) if line.strip() else {}
        told = (event.get("resourcePreEvent") or {}).get("metadata")
        if told:
            names = {"oldState": "old", "newState": "new", "replaceReasons": "keys", "diffReasons": "diffs"}
            steps.append(Step.model_validate({**told, **{ours: told.get(theirs) for ours, theirs in names.items()}}))
    return Preview(steps=tuple(steps))


def preview(pulumi: Pulumi, *arguments: str) -> Preview:
    """Ask Pulumi what `up` would do. Raises UserError when it cannot tell."""
    stack = pulumi.machine.stack
    done = pulumi.run("preview", "-s", stack, "--json", "--suppress-progress", *arguments)
    try:
        found = parse(done.output)
    except ValueError:
        raise explain(stack, "preview", done.output) from None
    if done.code != 0:
        errors = "\n".join(one.message for one in found.diagnostics if one.severity == "error")
        raise explain(stack, "preview", errors or done.output)
    return found
