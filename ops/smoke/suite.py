"""All checks of every model of a stack, and what they mean together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console

from components.settings import Settings
from components.targets.spec import Docker
from ops import docker_client
from ops.errors import UserError
from ops.smoke import sandbox
from ops.smoke.api import Api
from ops.smoke.checks import CHECKS, FIBONACCI_CASES, Result, run_check
from ops.smoke.subjects import Subject, subjects
from ops.smoke.table import shown

if TYPE_CHECKING:
    from docker import DockerClient


def run(settings: Settings, stack: str, api: Api, client: DockerClient | None, console: Console) -> None:
    """Check every model through `api` and print a table for each. Code is run by `client`'s Docker engine, and without
    one it is only looked at. Raises UserError naming what failed.
    """
    failed = list[str]()
    runner = partial(run_code, client, settings.images.get("fetch")) if client else None
    try:
        for subject in subjects(settings):
            with console.status(f"asking {subject.model}"):
                results = [run_check(check, api, subject, runner) for check in CHECKS]
            console.print()
            console.print(shown(subject, results))
            failed += [_failure(subject, result) for result in results if result.verdict == "fail"]
    finally:
        api.close()
    console.print("  level content: the answer must be right. level protocol: its form must be; a small or base model")
    console.print("  is not expected to be right there.")
    if failed:
        listed = "\n".join(failed)
        raise UserError(
            f"{len(failed)} checks failed:\n{listed}",
            harm="clients of these models get what the table shows",
            fix=f"{logs_of(settings, stack)}, then make up STACK={stack}",
        )


def logs_of(settings: Settings, stack: str) -> str:
    """The command that shows what an engine says."""
    target = settings.targets[settings.gateway.target]
    if isinstance(target, Docker):
        return f"{docker_client.command(settings)} logs slm-{stack}-ENGINE"
    return f"kubectl logs -n {target.namespace} -l app.kubernetes.io/name=ENGINE"


def run_code(client: DockerClient, image: str | None, answer: str) -> str:
    """What is wrong with the fibonacci function of an answer; empty when it is right."""
    if image is None:
        return "not run: this stack has no image with Python"
    try:
        code = sandbox.code_in(answer)
    except ValueError as error:
        return str(error)
    return sandbox.run(client, image, code, "fibonacci", FIBONACCI_CASES)


def _failure(subject: Subject, result: Result) -> str:
    return f"  {subject.model} ({subject.engine}), {result.check}: {result.words}"
