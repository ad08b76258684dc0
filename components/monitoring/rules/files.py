"""All rules of a stack, and the files Prometheus reads them from (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from components.monitoring.rules.alerts_described import described_alerts
from components.monitoring.rules.alerts_engines import engine_alerts
from components.monitoring.rules.alerts_forwarding import forwarding_alerts
from components.monitoring.rules.alerts_gateway import gateway_alerts
from components.monitoring.rules.alerts_hosts import host_alerts
from components.monitoring.rules.alerts_monitoring import monitoring_alerts
from components.monitoring.rules.containers import containers
from components.monitoring.rules.described import described
from components.monitoring.rules.engines import engines
from components.monitoring.rules.facts import Facts, facts
from components.monitoring.rules.gateway import gateway
from components.monitoring.rules.keys import keys
from components.monitoring.rules.objective_rules import objective_rules
from components.monitoring.rules.objectives import Objectives
from components.monitoring.rules.rule import Alert, Group, Record, rule_file
from components.workload import File, Workload

if TYPE_CHECKING:
    from components.settings import Settings


def recording_groups(known: Facts) -> tuple[Group, ...]:
    """The groups that record the common vocabulary."""
    return (described(known), engines(), gateway(), keys(), containers(), objective_rules(known.objectives))


def alert_groups() -> tuple[Group, ...]:
    """The groups of alerts. They are the same for every stack: what is described is in recorded series."""
    return (
        engine_alerts(),
        gateway_alerts(),
        host_alerts(),
        described_alerts(),
        monitoring_alerts(),
        forwarding_alerts(),
    )


def records(known: Facts) -> tuple[Record, ...]:
    """Every recording rule of a stack."""
    return tuple(rule for group in recording_groups(known) for rule in group.rules if isinstance(rule, Record))


def alerts() -> tuple[Alert, ...]:
    """Every alert."""
    return tuple(rule for group in alert_groups() for rule in group.rules if isinstance(rule, Alert))


def files(known: Facts) -> tuple[File, ...]:
    """The rule files of a stack whose facts are known."""
    return rule_file("records.yml", recording_groups(known)), rule_file("alerts.yml", alert_groups())


def rule_files(
    settings: Settings,
    services: Iterable[Workload] = (),
    jobs: Iterable[str] = (),
    objectives: Objectives | None = None,
) -> tuple[File, ...]:
    """The rule files of a stack. `services` are all workloads that are to run, `jobs` the scrape jobs it has.

    Without them there is no alert for a workload, or for a job's targets, that should be there and is not.
    """
    return files(facts(settings, services, jobs, objectives))
