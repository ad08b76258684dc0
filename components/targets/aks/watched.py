"""What Azure's managed monitoring is told of a stack, as plain values (pure)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from components.targets.kubernetes.site import Elsewhere
from components.workload import Value

NAMESPACE = "kube-system"
AGENT = Elsewhere(namespace=NAMESPACE, labels={"rsName": "ama-metrics"})
"""The pods of the agent that asks what a ConfigMap names."""


class RuleGroup(Value):
    """A group as Azure takes it: `rules` are its properties by the names of Azure's interface."""

    name: str
    rules: tuple[dict[str, Any], ...]


class Watched(Value):
    """What Azure is told of a stack. `scrape` and `settings` are its agent's files; mails go to `emails`."""

    scrape: str
    settings: str
    groups: tuple[RuleGroup, ...]
    emails: tuple[str, ...] = ()
    grafana: bool = Field(True, description="whether people get Azure's Grafana")
