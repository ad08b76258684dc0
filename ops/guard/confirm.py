"""A production stack's name, typed by whoever means it: on a terminal, or as CONFIRM where nobody sits at one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

from rich.console import Console

from components.settings import Settings
from components.settings.stack_file import host_of
from ops.errors import UserError

VARIABLE = "CONFIRM"


def require_name(
    stack: str,
    settings: Settings,
    harm: str,
    console: Console,
    typed: Callable[[], str] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Raise UserError unless the stack is none of production, or its name was typed.

    `harm` says what the command does to production ("this takes down production"). `typed` reads a line; without it
    that is the terminal's, and where there is no terminal CONFIRM must hold the name. One host of a fleet is confirmed
    by the fleet's name as well.
    """
    if settings.environment != "prod":
        return
    given = environment.get(VARIABLE)
    if given is None and typed is None and not sys.stdin.isatty():
        raise UserError(
            f"{harm}, and nobody is there to type the stack's name: standard input is no terminal",
            harm="nothing was changed",
            fix=f"run it on a terminal, or give {VARIABLE}={stack}",
        )
    if given is None:
        console.print(f"{harm}. Type the stack's name, {stack}, to go on: ", end="", markup=False)
        given = (typed or sys.stdin.readline)()
    if not confirmed(given, stack):
        raise UserError(
            f"'{given.strip()[:40]}' is not the name of stack '{stack}'",
            harm="nothing was changed",
            fix=f"type it exactly, or give {VARIABLE}={stack}",
        )


def confirmed(typed: str, stack: str) -> bool:
    """Whether this is the stack's name, or for a host of a fleet the fleet's."""
    word = typed.strip()
    return word == stack or (bool(host_of(stack)) and word == stack.partition(".")[0])
