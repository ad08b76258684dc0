"""Recorded series of what was described, so that rules and panels can hold it against what runs (pure)."""

from __future__ import annotations

from components.monitoring.rules.facts import EngineFacts, Facts
from components.monitoring.rules.rule import Group, Record

DAY = 24 * 3600


def described(facts: Facts) -> Group:
    """Constants: engines' names, copies, predicted memory and price; workloads' limits and images; jobs; API keys."""
    rules = [rule for engine in facts.engines for rule in _engine(engine)]
    for workload in facts.workloads:
        label = {"workload": workload.name}
        rules.append(_constant("slm:workload_copies_described", workload.least, label))
        rules.append(_constant("slm:workload_memory_limit_bytes", workload.limit_bytes, label))
        if workload.image:
            rules.append(_constant("slm:workload_image_described", 1, label | {"image_digest": workload.image}))
    rules += [_constant("slm:job_described", 1, {"job": job}) for job in facts.jobs]
    rules.append(_constant("slm:queue_limit_seconds", facts.queue_seconds, {}))
    if facts.backed_up:
        rules.append(_constant("slm:backup_expected", 1, {}))
    for key in facts.keys:
        rules.append(_constant("slm:key_info", 1, {"key": key.name, "age": "unknown" if key.made is None else "known"}))
        if key.made is not None:
            rules.append(_constant("slm:key_made_timestamp_seconds", round(key.made), {"key": key.name}))
    if facts.key_max_age_days:
        rules.append(_constant("slm:key_max_age_seconds", facts.key_max_age_days * DAY, {}))
    objectives = facts.objectives
    rules.append(_constant("slm:objective_availability", objectives.availability, {}))
    rules.append(_constant("slm:objective_first_token_share", objectives.first_token_share, {}))
    rules.append(_constant("slm:objective_first_token_seconds", objectives.first_token_seconds, {}))
    rules.append(_constant("slm:objective_token_seconds", objectives.token_seconds, {}))
    return Group(name="described", rules=tuple(rules))


def _engine(engine: EngineFacts) -> list[Record]:
    labels = {"engine": engine.name, "kind": engine.kind, "model": engine.model}
    constants = {
        "slm:engine_info": 1,
        "slm:copies_described": engine.least,
        "slm:memory_predicted_bytes": engine.predicted_bytes,
        "slm:copy_usd_per_hour": engine.usd_per_hour,
    }
    return [_constant(name, value, labels) for name, value in constants.items() if value is not None]


def _constant(name: str, value: float, labels: dict[str, str]) -> Record:
    return Record(name=name, expr=f"vector({value:.15g})", labels=labels)
