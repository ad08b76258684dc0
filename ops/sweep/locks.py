"""Locks of a stack, as Pulumi tells of them, and which are of jobs that are dead (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ops.sweep.stack import moment

LOCKED = "the stack is currently locked by"
_LOCK = re.compile(r"created by (?P<user>\S+)@(?P<host>\S+) \(pid (?P<pid>\d+)\) at (?P<at>\S+)")


@dataclass(frozen=True)
class Lock:
    """Who holds a stack, where, and since when."""

    user: str
    host: str
    pid: int
    at: datetime | None

    @property
    def words(self) -> str:
        since = f" since {self.at:%Y-%m-%d %H:%M} UTC" if self.at else ""
        return f"process {self.pid} of {self.user} on {self.host}{since}"


def locks(output: str) -> list[Lock]:
    """The locks that a refused Pulumi command names; empty where it was refused for another reason."""
    if LOCKED not in output:
        return []
    return [Lock(m["user"], m["host"], int(m["pid"]), moment(m["at"])) for m in _LOCK.finditer(output)]


def living(held: list[Lock], here: str, runs: Callable[[int], bool], now: datetime, hours: float) -> list[Lock]:
    """Those that may still be at work: here, whose process lives; elsewhere, younger than a job may become."""

    def lives(lock: Lock) -> bool:
        if lock.host == here:
            return runs(lock.pid)
        return lock.at is None or now - lock.at < timedelta(hours=hours)

    return [lock for lock in held if lives(lock)]
