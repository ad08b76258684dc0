"""`make import`: propose which resources of a stack take over what exists already, for a person to review.

Nothing is changed. The proposal is a list for the stack's file, where it is reviewed like any other change; `make up`
then takes over what it names.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import ValidationError
from rich.console import Console

from components.settings import load, load_overlay
from components.settings.adoption import Adoption
from components.settings.stack_file import file_name
from ops.adopt.match import matches
from ops.errors import UserError
from ops.failures import explain
from ops.machine import Machine, write_private
from ops.previewed import SAME, Preview, Step, parse, preview
from ops.pulumi_cli import Pulumi

KEY = "slm:adopt"
FILE = "import.yaml"
OF_PULUMI = {"azureApiVersion"}
"""Inputs that a provider writes for itself: when only they differ, nothing of the resource does."""

LARGEST = 1000
"""Ids in one file; a stack has fewer resources."""


@dataclass(frozen=True)
class Outcome:
    """What would become of one entry; `problem` is empty where Pulumi would take the resource over."""

    entry: Adoption
    type: str
    problem: str


def run(stack: str, ids: str, file: Path | None, console: Console) -> int:
    """Write the proposal and tell it; gives the exit code, 1 where one could not be taken over. Raises UserError."""
    machine = Machine(stack)
    settings = load(stack, machine.project, load_overlay(machine.config_path))
    settings.require_deployable(stack)
    wanted = read_ids(ids, file, stack)
    with machine.lock(f"make import STACK={stack}"):
        pulumi = Pulumi(machine)
        pulumi.ensure_stack()
        outcomes = propose(pulumi, wanted, settings.adopt)
        place = machine.directory / FILE
        write_private(place, written(stack, outcomes))
    for one in outcomes:
        told = f"[red]{one.problem}[/red]" if one.problem else "can be taken over as it is"
        console.print(f"  {one.entry.resource} ({one.type}) <- {one.entry.id}: {told}", highlight=False, soft_wrap=True)
    console.print(
        f"nothing was changed. Read {place.relative_to(machine.project)}, put its lines into {file_name(stack)}, then"
        f" make preview STACK={stack} and make up STACK={stack}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    return 1 if any(one.problem for one in outcomes) else 0


def read_ids(ids: str, file: Path | None, stack: str) -> list[str]:
    """What is to be taken over: `ID` or `RESOURCE=ID`, with commas, or one a line of a file. Raises UserError."""
    found = [word.strip() for word in ids.split(",")]
    if file:
        try:
            found += [line.partition("#")[0].strip() for line in file.read_text().splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"{file} cannot be read: {error}", harm="nothing was looked for", fix="give FILE=path"
            ) from None
    found = list(dict.fromkeys(word for word in found if word))
    if not found or len(found) > LARGEST:
        raise UserError(
            f"{len(found)} ids are given, 1 to {LARGEST} can be",
            harm="nothing was looked for",
            fix=f"make import STACK={stack} ID=id,RESOURCE=id, or FILE=path with one a line",
        )
    return found


def propose(pulumi: Pulumi, wanted: Sequence[str], already: Sequence[Adoption] = ()) -> list[Outcome]:
    """What Pulumi would do with each, after it was matched with what the stack would make. Raises UserError."""
    stack = pulumi.machine.stack
    creates = [s for s in preview(pulumi).steps if s.op == "create" and not s.type.startswith(("slm:", "pulumi:"))]
    chosen = [_matched(word, creates, stack) for word in wanted]
    entries = [entry for entry, _ in chosen]
    if twice := {one.resource for one in entries if [e.resource for e in entries].count(one.resource) > 1}:
        raise UserError(
            f"two ids are given for {', '.join(sorted(twice))}", harm="nothing was written", fix="give one of them"
        )
    found = _previewed(pulumi, [*already, *entries])
    return [Outcome(entry, step.type, _problem(found, step)) for entry, step in chosen]


def written(stack: str, outcomes: Sequence[Outcome]) -> str:
    """The proposal as lines of a stack file; what cannot be taken over is a comment."""
    lines = [f"# Proposed by make import STACK={stack}; below `config:` of {file_name(stack)}, next to what is there."]
    good = [one.entry.model_dump(exclude_defaults=True) for one in outcomes if not one.problem]
    body = yaml.safe_dump({KEY: good}, sort_keys=False).rstrip() if good else "# nothing can be taken over"
    lines += [f"  {line}" if good else line for line in body.splitlines()]
    lines += [f"  # {one.entry.resource} <- {one.entry.id}: {one.problem}" for one in outcomes if one.problem]
    return "\n".join(lines) + "\n"


def _matched(word: str, creates: Sequence[Step], stack: str) -> tuple[Adoption, Step]:
    name, equals, id_ = word.partition("=")
    named = bool(equals) and any(step.name == name for step in creates)
    found = [step for step in creates if step.name == name] if named else [s for s in creates if matches(s, word)]
    if len(found) == 1:
        try:
            return Adoption(resource=found[0].name, id=id_ if named else word), found[0]
        except ValidationError as error:
            raise UserError(
                f"'{word[:200]}' is no id: {error.errors()[0]['msg']}", harm="nothing was written"
            ) from None
    if found:
        names = ", ".join(sorted(step.name for step in found))
        raise UserError(
            f"{word} may be {names}",
            harm="it is not guessed; nothing was written",
            fix=f"say which: ID={found[0].name}={word}",
        )
    raise UserError(
        f"the stack would make nothing that {word[:200]} could be",
        harm="only what the stack describes and does not have yet can be taken over; nothing was written",
        fix=f"make preview STACK={stack} names what it would make; say which one: ID=NAME={word[:200]}",
    )


def _previewed(pulumi: Pulumi, entries: Sequence[Adoption]) -> Preview:
    """What Pulumi would do with the entries in the stack's configuration, which is not touched."""
    machine = pulumi.machine
    document = machine.config()
    config = {**(document.get("config") or {}), KEY: [one.model_dump(exclude_defaults=True) for one in entries]}
    with tempfile.TemporaryDirectory(dir=machine.directory) as place:
        file = Path(place) / machine.config_file.name
        write_private(file, yaml.safe_dump({**document, "config": config}, sort_keys=False))
        arguments = ("preview", "-s", machine.stack, "--json", "--suppress-progress")
        done = pulumi.run(*arguments, extra={"PULUMI_OPTION_CONFIG_FILE": str(file)})
    try:
        return parse(done.output)
    except ValueError:
        raise explain(machine.stack, "preview", done.output) from None


def _problem(found: Preview, wanted: Step) -> str:
    """Why a resource would not be taken over as it is; empty where it would.

    Pulumi takes over what differs as well, and then changes or replaces it in the same deployment.
    """
    said = [d.message for d in found.diagnostics if d.urn == wanted.urn and d.severity in ("error", "warning")]
    steps = [one for one in found.steps if one.urn == wanted.urn]
    after = [one for one in steps if one.op not in ("import", SAME) and (set(one.fields) - OF_PULUMI or not one.fields)]
    if said:
        return " ".join(" ".join(said).split())[:400]
    if after and len(after) < len(steps):
        fields = ", ".join(dict.fromkeys(field for one in after for field in one.fields)) or "its settings"
        doing = "change" if all(one.op == "update" for one in after) else "REPLACE"
        return f"it differs, and Pulumi would then {doing} it: {fields}; `ignore` lists what may stay as it is"
    if after:
        return f"Pulumi would {after[0].op} it"
    return "" if steps else "Pulumi said nothing of it"
