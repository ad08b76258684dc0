"""Which stacks go, and why: by their name, their pull request and their time (pure)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Literal

from components.settings.review import pull_request_of
from components.workload import Value
from ops.review.rules import Rules
from ops.sweep.stack import Found


class Verdict(Value):
    """`due` stacks are removed; `protected` ones and those that are no review stacks never."""

    stack: Found
    kind: Literal["due", "kept", "protected", "other"]
    why: str


def judge(
    stack: Found, opened: Collection[int] | None, now: datetime, rules: Rules, protected: Collection[str] = ()
) -> Verdict:
    """The verdict on one stack. `opened` are the open pull requests, None where nobody says."""
    number = pull_request_of(stack.name)
    # A host of a fleet is protected with its fleet.
    if {stack.name, stack.name.partition(".")[0]} & {*rules.protected, *protected}:
        return Verdict(stack=stack, kind="protected", why="its name is protected")
    if number is None:
        return Verdict(stack=stack, kind="other", why="no review stack by its name")
    if opened is not None and number not in opened:
        return Verdict(stack=stack, kind="due", why=f"pull request {number} is closed")
    if stack.expires:
        if stack.expires <= now:
            return Verdict(stack=stack, kind="due", why=f"its time was over {_ago(now - stack.expires)} ago")
        return Verdict(stack=stack, kind="kept", why=f"for another {_ago(stack.expires - now)}")
    since = stack.created or stack.last_update
    if since and since + timedelta(hours=rules.longest_hours) <= now:
        return Verdict(stack=stack, kind="due", why=f"nobody wrote down its end, and it is {_ago(now - since)} old")
    return Verdict(stack=stack, kind="kept", why="nobody wrote down its end" + ("" if since else ", nor its beginning"))


def _ago(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 72 * 60 else f"{minutes // 1440} days"
