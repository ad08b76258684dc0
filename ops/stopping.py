"""Stopping a container that may take long to end its work."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker.models.containers import Container


def stop(container: Container, unsaid: int = 10) -> None:
    """Stop it, and wait as long as it was promised: docker-py by itself gives up waiting after seventy seconds.

    `unsaid` seconds are waited for one whose description says nothing; Docker's own are ten.
    """
    promised = container.attrs["Config"].get("StopTimeout")
    container.stop(timeout=unsaid if promised is None else int(promised))
