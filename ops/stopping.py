"""Stopping a container that may take long to end its work."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker.models.containers import Container

WITHOUT_A_WORD = 10
"""Seconds that Docker gives a container whose description says nothing."""


def stop(container: Container) -> None:
    """Stop it, and wait as long as it was promised: docker-py by itself gives up waiting after seventy seconds."""
    promised = container.attrs["Config"].get("StopTimeout")
    container.stop(timeout=WITHOUT_A_WORD if promised is None else int(promised))
