"""A stack that is up in seconds: the real parts with the stand-in model, its weights copied in from this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.docker import tiny_model
from tests.docker.project import Project, remove_stacks

ENGINE = {"model": tiny_model.NAME, "cpus": 1, "parallel": 2, "startup": 60, "drain": 5}


def declare(folder: Path, stack: str) -> Project:
    """A copy of the project whose stack serves the stand-in model; nothing is deployed yet."""
    project = Project.copy(folder / "project", stack)
    model = tiny_model.described(tiny_model.write(folder))
    project.change(
        {
            "slm:engines": {"chat": ENGINE},
            "slm:gateway": {"drain_seconds": 2},
            "slm:models": {tiny_model.NAME: model},
        }
    )
    return project


@contextmanager
def declared(folder: Path, stack: str) -> Iterator[Project]:
    """Like `declare`; whatever a test has made of the stack is removed at the end."""
    project = declare(folder, stack)
    try:
        yield project
    finally:
        remove(project)


def remove(project: Project) -> None:
    """Remove all of the stack without its own commands, which may be what is under test."""
    remove_stacks(lambda stack: stack == project.stack)
