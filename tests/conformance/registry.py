"""The checks by name. Each takes a target and fails with an assertion."""

from __future__ import annotations

from collections.abc import Callable

from tests.conformance.target import Target

Check = Callable[[Target], None]
CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    """Add a check under its function's name."""
    assert function.__name__ not in CHECKS, function.__name__
    CHECKS[function.__name__] = function
    return function
