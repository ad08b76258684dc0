"""Recording rules and alerts as typed data, and the files Prometheus reads them from (pure)."""

from components.monitoring.rules.contract import TARGET_LABELS
from components.monitoring.rules.facts import EngineFacts, Facts, KeyFacts, WorkloadFacts, facts
from components.monitoring.rules.files import alert_groups, alerts, files, recording_groups, records, rule_files
from components.monitoring.rules.objectives import Objectives
from components.monitoring.rules.rule import RUNBOOKS, Alert, Group, Record

__all__ = [
    "RUNBOOKS",
    "TARGET_LABELS",
    "Alert",
    "EngineFacts",
    "Facts",
    "Group",
    "KeyFacts",
    "Objectives",
    "Record",
    "WorkloadFacts",
    "alert_groups",
    "alerts",
    "facts",
    "files",
    "recording_groups",
    "records",
    "rule_files",
]
