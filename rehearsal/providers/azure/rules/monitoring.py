"""What Azure refuses of log workspaces and budgets (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rehearsal.providers.azure.failures import Failure
from rehearsal.providers.azure.values import Properties, at, known


def workspace(inputs: Properties) -> Iterator[Failure]:
    """How long logs are kept: 30 to 730 days, or 7 for nothing."""
    days = known(inputs, "retentionInDays")
    if isinstance(days, int) and not (30 <= days <= 730 or (days == 7 and known(inputs, "sku.name") == "Free")):
        yield Failure(
            "retentionInDays", f"'RetentionInDays' is {days}, and it is between 30 and 730 (InvalidParameter)."
        )


def budget(inputs: Properties) -> Iterator[Failure]:
    """An amount, a month to begin with, and at most five notifications."""
    amount = known(inputs, "amount")
    if isinstance(amount, int | float) and amount <= 0:
        yield Failure("amount", f"{amount} is no budget; it is above zero (InvalidRequest).")
    start = known(inputs, "timePeriod.startDate")
    if isinstance(start, str) and not re.match(r"\d{4}-\d{2}-01(T|$)", start):
        yield Failure("timePeriod.startDate", f"'{start}' is not the first day of a month (InvalidRequest).")
    notifications = at(inputs, "notifications")
    if isinstance(notifications, dict) and len(notifications) > 5:
        yield Failure("notifications", "a budget has at most 5 notifications (InvalidRequest).")
    for name, notification in notifications.items() if isinstance(notifications, dict) else ():
        threshold = known(notification, "threshold")
        if isinstance(threshold, int | float) and not 0 < threshold <= 1000:
            yield Failure(f"notifications.{name}.threshold", f"{threshold} is not between 0 and 1000 percent.")
