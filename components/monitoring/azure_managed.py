"""What Azure's managed Prometheus is told of a stack: what to ask, and the same rules as every other target's (pure).

Its agent runs in the cluster, finds engines by their Services' names as our own Prometheus would, and reads its scrape
jobs from a ConfigMap of kube-system. Rules become rule groups of Azure, which differ in three things: at most twenty
rules in a group, durations of ISO 8601, and alerts about Prometheus' own parts, which Azure keeps to itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import yaml

from components.monitoring.job import Job
from components.monitoring.kubernetes import namespaces, of_workloads
from components.monitoring.rules.facts import facts
from components.monitoring.rules.files import alert_groups, recording_groups
from components.monitoring.rules.rule import Alert, Group, Record
from components.targets.aks.watched import RuleGroup, Watched
from components.workload import Workload

if TYPE_CHECKING:
    from components.settings import Settings

MOST_RULES = 20
"""What Azure takes in one group (learn.microsoft.com/azure/azure-monitor/service-limits)."""

SEVERITIES = {"critical": 0, "warning": 2, "info": 3}
_OURS = re.compile(r"""job="(prometheus|alertmanager|loki|collector|forwarder)"|slm_backup""")
_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - where the agent's own is
_UNITS = {"s": "PT{}S", "m": "PT{}M", "h": "PT{}H", "d": "P{}D"}


def watched(settings: Settings, services: Sequence[Workload], jobs: Sequence[Job]) -> Watched:
    """Everything of a stack whose monitoring is Azure's. Raises ValueError for another one's."""
    own = settings.monitoring
    if own is None or not own.managed:
        raise ValueError("the stack's monitoring is not Azure's")
    every = {"scrape_interval": f"{own.scrape_seconds}s"}
    scrape = {"global": every, "scrape_configs": [job.document() for job in jobs]}
    known = facts(settings, services, [job.name for job in jobs], own.objectives)
    return Watched(
        scrape=yaml.safe_dump(scrape, sort_keys=False, width=1000),
        settings=_SETTINGS,
        groups=tuple(rule_groups([*recording_groups(known), *alert_groups()])),
        emails=own.emails,
        grafana=own.grafana is not None,
    )


_SETTINGS = "cadvisor = false\n"
"""Of what the agent asks by itself: containers are asked by our own job, which knows their workloads."""


def containers(settings: Settings) -> Job:
    """Containers of the stack, as kubelets count them; Azure's agent may list nodes and ask them."""
    return Job(
        name="cadvisor",
        asked=(),
        path="/metrics/cadvisor",
        connection={
            "scheme": "https",
            "authorization": {"credentials_file": _TOKEN},
            # As the agent itself asks them: kubelets sign their own certificates.
            "tls_config": {"insecure_skip_verify": True},
            "kubernetes_sd_configs": [{"role": "node"}],
        },
        series=of_workloads(namespaces(settings)),
    )


def rule_groups(groups: Sequence[Group]) -> Iterator[RuleGroup]:
    """The groups in Azure's words, none larger than it takes."""
    for group in groups:
        rules = [rule for rule in group.rules if not _OURS.search(rule.expr)]
        for number, start in enumerate(range(0, len(rules), MOST_RULES), start=1):
            some = rules[start : start + MOST_RULES]
            yield RuleGroup(name=f"{group.name}-{number}", rules=tuple(_rule(rule) for rule in some))


def _rule(rule: Record | Alert) -> dict[str, Any]:
    if isinstance(rule, Record):
        labels = {"labels": rule.labels} if rule.labels else {}
        return {"record": rule.name, "expression": rule.expr, "enabled": True, **labels}
    return {
        "alert": rule.name,
        "expression": rule.expr,
        "enabled": True,
        "severity": SEVERITIES[rule.severity],
        "for": iso_duration(rule.wait or "1m"),
        "labels": {"severity": rule.severity},
        "annotations": {"summary": rule.summary, "runbook_url": rule.page},
        "resolveConfiguration": {"autoResolved": True, "timeToResolve": iso_duration(rule.keep or "2m")},
    }


def iso_duration(text: str) -> str:
    """A duration of Prometheus (`90s`, `10m`, `2h`, `3d`) as ISO 8601 has it."""
    return _UNITS[text[-1]].format(text[:-1])
