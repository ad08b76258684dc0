"""What Azure refuses of log workspaces, groups of Prometheus rules and budgets (pure)."""

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


MOST_RULES = 20
"""Rules of one group: learn.microsoft.com/azure/azure-monitor/service-limits [?]."""

_DURATION = re.compile(r"P(?!$)(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?")


def rule_group(inputs: Properties) -> Iterator[Failure]:
    """At most twenty rules, looked at every one to fifteen minutes; each records a series or raises an alert."""
    interval = known(inputs, "interval")
    if isinstance(interval, str) and interval not in {f"PT{minutes}M" for minutes in range(1, 16)}:
        yield Failure("interval", f"'{interval}' is not between PT1M and PT15M (InvalidRequest).")
    rules = at(inputs, "rules")
    if not isinstance(rules, list):
        return
    if not 1 <= len(rules) <= MOST_RULES:
        yield Failure("rules", f"{len(rules)} rules in one group, which takes 1 to {MOST_RULES} (InvalidRequest).")
    for number, rule in enumerate(rules):
        path = f"rules[{number}]"
        if (known(rule, "record") is None) == (known(rule, "alert") is None):
            yield Failure(path, "a rule has either 'record' or 'alert' (InvalidRequest).")
        if known(rule, "record") is not None and (known(rule, "for") or known(rule, "severity") is not None):
            yield Failure(path, "'for' and 'severity' are of alerts (InvalidRequest).")
        severity = known(rule, "severity")
        if isinstance(severity, int | float) and not 0 <= severity <= 4:
            yield Failure(f"{path}.severity", f"{severity} is not between 0 and 4 (InvalidRequest).")
        for field in ("for", "resolveConfiguration.timeToResolve"):
            duration = known(rule, field)
            if isinstance(duration, str) and not _DURATION.fullmatch(duration):
                yield Failure(f"{path}.{field}", f"'{duration}' is no duration of ISO 8601 (InvalidRequest).")


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
