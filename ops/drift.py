"""`make drift FILE=path`: whether a stack is as it is described, as an exit code and a text for an issue."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from components.settings import load, load_overlay
from ops.machine import Machine
from ops.pulumi_cli import Pulumi

MARKER = "<!-- slm-stacks: drift of {stack} -->"
UNEXPECTED = "no changes were expected but changes were proposed"
MOST = 40_000
"""Characters of Pulumi's own words; the last ones are the summary."""


def run(stack: str, file: Path, console: Console) -> int:
    """Compare, print what Pulumi says, write it to `file`; gives 0 when nothing differs. Raises UserError."""
    machine = Machine(stack)
    load(stack, machine.project, load_overlay(machine.config_path)).require_deployable(stack)
    pulumi = Pulumi(machine)
    pulumi.ensure_stack()
    command = ("preview", "--refresh", "--diff", "--expect-no-changes", "-s", stack, "--color", "never")
    done = pulumi.run(*command, on_line=lambda line: console.print(line, markup=False, highlight=False))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(told(stack, done.code, done.output), encoding="utf-8")
    return 0 if done.code == 0 else 1


def told(stack: str, code: int, output: str) -> str:
    """The text: what it means first, Pulumi's words below."""
    if code == 0:
        head, what = f"`{stack}` is as it is described", "Nothing differs."
    elif UNEXPECTED in output:
        head = f"`{stack}` is not as it is described"
        what = f"Somebody changed it by hand, or main was not deployed. `make up STACK={stack}` makes it as described."
    else:
        head, what = f"nobody knows whether `{stack}` is as described", "The comparison itself failed:"
    shown = output[-MOST:].replace("```", "'''").strip()
    body = f"<details><summary>What Pulumi said</summary>\n\n```text\n{shown}\n```\n\n</details>"
    return f"{MARKER.format(stack=stack)}\n### {head}\n\n{what}\n\n{body}\n"
