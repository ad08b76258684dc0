"""Where the catalogue's files lie: beside this one, or for as long as it is asked for, those of another checkout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

DIRECTORY = Path(__file__).parent
_READ_FROM: ContextVar[Path] = ContextVar("catalogue", default=DIRECTORY)


def directory() -> Path:
    """The folder that models, images, hardware and prices are read from."""
    return _READ_FROM.get()


@contextmanager
def catalogue_in(folder: Path) -> Iterator[None]:
    """Within it, everything that asks the catalogue gets what stands in `folder`, which must not change meanwhile.

    A description of another version means what that version's catalogue says.
    """
    token = _READ_FROM.set(folder)
    try:
        yield
    finally:
        _READ_FROM.reset(token)
