"""What a container costs beside its answers: memory at its peak, and the time until it serves again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from ops.errors import UserError

if TYPE_CHECKING:
    from docker.models.containers import Container

MIB = 1024 * 1024


def working_set(stats: dict[str, Any]) -> float:
    """MiB in use, without cached files that could be dropped at any time; as `docker stats` counts."""
    memory = stats.get("memory_stats", {})
    details = memory.get("stats", {})
    idle = details.get("total_inactive_file", details.get("inactive_file", 0))
    return float((memory.get("usage", 0) - idle) / MIB)


def memory_mib(container: Container) -> float:
    """The container's working set right now, in MiB."""
    return working_set(cast(dict[str, Any], container.stats(stream=False, one_shot=True)))


class Peak:
    """The largest working set seen while it is open, sampled twice a second."""

    def __init__(self, container: Container) -> None:
        self.mib = 0.0
        self._container, self._ended = container, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join(10)

    def _watch(self) -> None:
        # The first sample is taken even of a load that is over at once.
        while True:
            self.mib = max(self.mib, memory_mib(self._container))
            if self._ended.wait(0.5):
                return


def start_up(
    container: Container,
    answers: Callable[[], object],
    limit: float = 900,
    between: Callable[[], object] = lambda: None,
) -> float:
    """Restart the container; seconds from its start to its first answer. `between` is done while it stands still.

    Raises UserError when it takes longer than `limit` seconds.
    """
    container.stop()
    between()
    began = time.monotonic()
    container.start()
    while time.monotonic() - began < limit:
        try:
            answers()
            return time.monotonic() - began
        except UserError:
            time.sleep(0.25)
    raise UserError(f"{container.name} did not answer within {limit:.0f} s of its start", harm="it cannot be measured")


def address(container: Container, port: int) -> str:
    """Where this machine reaches the container directly, ending in /v1. Raises UserError."""
    container.reload()
    for network in container.attrs["NetworkSettings"]["Networks"].values():
        if ip := network.get("IPAddress"):
            return f"http://{ip}:{port}/v1"
    raise UserError(
        f"{container.name} has no address on this machine",
        harm="it cannot be measured directly",
        fix="measure a stack of this machine's own Docker engine",
    )
