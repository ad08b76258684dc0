"""The gate between two waves: a host must answer real questions through its own gateway."""

from __future__ import annotations

from rich.console import Console

from components.settings import load, load_overlay
from ops.errors import UserError
from ops.machine import Machine
from ops.place import endpoint_of, transport_to
from ops.pulumi_cli import Pulumi
from ops.secrets import keys
from ops.smoke import ask
from ops.smoke.subjects import subjects


def run(stack: str, questions: int, error_percent: float, console: Console) -> None:
    """Ask the host's models in turn. Raises UserError when more than `error_percent` of the questions get no token."""
    machine = Machine(stack)
    settings = load(stack, machine.project, load_overlay(machine.config_path))
    key, endpoint, asked = keys.current(keys.load(Pulumi(machine))), endpoint_of(settings, stack), subjects(settings)
    # Models that only embed or rank give no token.
    asked = [one for one in asked if one.capabilities & {"chat", "completions"}]
    if not asked:
        raise UserError(
            "no model of it gives a token that could be asked for", fix="add an engine that holds conversations"
        )
    failures = []
    for number in range(questions):
        subject = asked[number % len(asked)]
        try:
            transport = transport_to(settings, machine)
            answer = ask(endpoint, key, subject.model, chat="chat" in subject.skills, max_tokens=8, transport=transport)
            if not answer.tokens:
                failures.append(f"{subject.model} answered without a token")
        except UserError as error:
            failures.append(error.what)
    share = 100 * len(failures) / questions
    if share > error_percent:
        raise UserError(
            f"{len(failures)} of {questions} questions got no answer ({share:.0f} %, allowed {error_percent:g} %):"
            f" {failures[0]}",
            harm="the host does not serve as it did",
            fix=f"make smoke STACK={stack} shows more",
        )
    console.print(f"  {questions - len(failures)} of {questions} questions answered")
