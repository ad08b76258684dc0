"""Look at many hosts of a fleet at a time, within one process: what is waited for is their answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from ops.machine import Machine

Found = TypeVar("Found")


def side_by_side(
    stack: str, hosts: Sequence[str], project: Path, parallel: int, look: Callable[[Machine], Found]
) -> list[Found]:
    """What `look` gives of each host's own stack, in the hosts' order, `parallel` of them at a time."""
    with ThreadPoolExecutor(max_workers=parallel) as threads:
        return list(threads.map(lambda host: look(Machine(f"{stack}.{host}", project)), hosts))
