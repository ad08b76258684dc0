"""Trying again: which faults pass, how long to wait, and when to give up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx
import tenacity

from slm_fetch.plan import Plan
from slm_fetch.report import Report

ATTEMPTS = 6
"""Attempts in a row without a new byte before a source is given up that has served some."""
FIRST_ATTEMPTS = 3
"""The same for a source that has served none: the next one should get its turn soon."""

T = TypeVar("T")


class Interrupted(Exception):
    """The transfer broke off for a reason that may pass, perhaps after the `wait` in seconds the server asks for."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class Cancelled(Exception):
    """Another file of the same folder has failed, so that this one is not needed from this source."""


def retried(once: Callable[[], T], position: Callable[[], int], plan: Plan, report: Report, stop: threading.Event) -> T:
    """Call `once` until it works. Only attempts in a row that do not move `position`, in bytes, are counted.

    Waits longer each time, and as long as the server asks for, up to the plan's longest_wait. Raises what `once` raised
    last, and Cancelled when `stop` is set.
    """
    best, idle = position(), 0
    exponential = tenacity.wait_random_exponential(multiplier=0.5, max=plan.longest_pause)

    def attempt() -> T:
        if stop.is_set():
            raise Cancelled
        return once()

    def stuck(_state: tenacity.RetryCallState) -> bool:
        nonlocal best, idle
        idle = 0 if position() > best else idle + 1
        best = max(best, position())
        return idle >= (ATTEMPTS if best else FIRST_ATTEMPTS)

    def pause(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = getattr(error, "wait", None) or 0.0
        return max(float(exponential(state)), min(asked, plan.longest_wait))

    def tell(state: tenacity.RetryCallState) -> None:
        seconds = state.next_action.sleep if state.next_action else 0
        error = state.outcome.exception() if state.outcome else None
        report.event("retry", source=report.source, reason=reason_of(error), pause=round(seconds, 1))

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type((httpx.TransportError, Interrupted)),
        stop=stuck,
        wait=pause,
        sleep=tenacity.sleep_using_event(stop),
        before_sleep=tell,
        reraise=True,
    )(attempt)


def wait_asked(value: str | None) -> float | None:
    """The seconds a Retry-After header asks for, in either of its forms."""
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (zoned - datetime.now(UTC)).total_seconds())


def reason_of(error: BaseException | None) -> str:
    """Why an attempt failed. Transport errors of httpx carry neither headers nor the address redirected to."""
    return str(error) or type(error).__name__
