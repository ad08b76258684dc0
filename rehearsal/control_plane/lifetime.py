"""What is started at the beginning of a `with` block and stopped at its end, whatever happens in between."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Lifetime(ABC):
    """Something that runs for one `with` block."""

    @abstractmethod
    def start(self) -> None:
        """Start all of it. What was started before a failure is left to `stop`."""

    @abstractmethod
    def stop(self) -> None:
        """End all of it. Safe at any time, any number of times."""

    @abstractmethod
    def check(self) -> None:
        """Raise when something that should run does not any more."""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # A failure of the block is the better story, unless there is none.
            if kind is None:
                self.check()
        finally:
            self.stop()
