"""Alerts about the monitoring itself: who watches the watchers (pure)."""

from __future__ import annotations

from components.monitoring.rules.expressions import any_of
from components.monitoring.rules.rule import Alert, Group

STORAGE_FAILURES = ("prometheus_tsdb_wal_corruptions_total", "prometheus_tsdb_compactions_failed_total")


LONGEST_DAYS = 8
"""Between two backups: one a week, and a day to make up for a missed one."""


def monitoring_alerts() -> Group:
    """Targets, Prometheus, Alertmanager, the log store and what brings logs to it."""
    return Group(name="monitoring-alerts", rules=(*_targets(), *_prometheus(), *_alertmanager(), *_logs(), *_backups()))


def _targets() -> tuple[Alert, ...]:
    return (
        Alert(
            name="Watchdog",
            expr="vector(1)",
            severity="info",
            summary="Always fires: whoever stops hearing it knows that alerts do not arrive",
        ),
        Alert(
            name="TargetDown",
            expr='up{job!="gateway"} == 0',
            wait="5m",
            severity="warning",
            summary="{{ $labels.job }} at {{ $labels.instance }} gives Prometheus no metrics",
        ),
        Alert(
            name="TargetMissing",
            expr="slm:job_described unless on (job) up",
            wait="5m",
            severity="warning",
            summary="Prometheus has no target of {{ $labels.job }} at all",
            runbook="TargetDown",
        ),
        Alert(
            name="ScrapeTooLarge",
            expr='increase(prometheus_target_scrapes_exceeded_sample_limit_total{job="prometheus"}[15m]) > 0',
            severity="warning",
            summary="A target has more series than its budget, and Prometheus takes none of them",
        ),
    )


def _prometheus() -> tuple[Alert, ...]:
    failed = (f'increase({name}{{job="prometheus"}}[3h]) > 0' for name in STORAGE_FAILURES)
    return (
        Alert(
            name="PrometheusConfigurationRefused",
            expr='prometheus_config_last_reload_successful{job="prometheus"} == 0',
            wait="5m",
            severity="warning",
            summary="Prometheus does not take its new configuration and goes on with the old one",
        ),
        Alert(
            name="PrometheusRulesFail",
            expr='sum by (rule_group) (increase(prometheus_rule_evaluation_failures_total{job="prometheus"}[5m])) > 0',
            wait="5m",
            severity="warning",
            summary="Rules of {{ $labels.rule_group }} fail: their series and alerts do not exist",
        ),
        Alert(
            name="PrometheusStorageFails",
            expr=any_of(*failed),
            severity="warning",
            summary="Prometheus cannot write its data as it should",
        ),
        Alert(
            name="PrometheusWithoutAlertmanager",
            expr='prometheus_notifications_alertmanagers_discovered{job="prometheus"} < 1',
            wait="5m",
            severity="critical",
            summary="Prometheus has nobody to give its alerts to",
            runbook="AlertsDoNotArrive",
        ),
        Alert(
            name="PrometheusNotificationsFail",
            expr='sum (rate(prometheus_notifications_errors_total{job="prometheus"}[5m])) > 0 or'
            ' sum (rate(prometheus_notifications_dropped_total{job="prometheus"}[5m])) > 0',
            wait="5m",
            severity="critical",
            summary="Alertmanager does not take Prometheus's alerts",
            runbook="AlertsDoNotArrive",
        ),
    )


def _alertmanager() -> tuple[Alert, ...]:
    return (
        Alert(
            name="AlertmanagerConfigurationRefused",
            expr='alertmanager_config_last_reload_successful{job="alertmanager"} == 0',
            wait="5m",
            severity="warning",
            summary="Alertmanager does not take its new configuration and goes on with the old one",
            runbook="PrometheusConfigurationRefused",
        ),
        Alert(
            name="AlertmanagerNotificationsFail",
            expr='sum by (integration) (rate(alertmanager_notifications_failed_total{job="alertmanager"}[5m])) > 0',
            wait="5m",
            keep="10m",
            severity="critical",
            summary="Alerts do not reach people by {{ $labels.integration }}",
            runbook="AlertsDoNotArrive",
        ),
    )


def _logs() -> tuple[Alert, ...]:
    failed = 'sum (rate(loki_request_duration_seconds_count{job="loki",status_code=~"5.."}[5m]))'
    every = 'sum (rate(loki_request_duration_seconds_count{job="loki"}[5m]))'
    return (
        Alert(
            name="LogStoreFails",
            expr=f"{failed} / ({every} > 0) > 0.05",
            wait="10m",
            severity="warning",
            summary="The log store answers {{ $value | humanizePercentage }} of its requests with an error",
            runbook="LogsDoNotArrive",
        ),
        Alert(
            name="LogShipperFails",
            expr='otelcol_exporter_queue_size{job="collector"}'
            ' / otelcol_exporter_queue_capacity{job="collector"} > 0.25',
            wait="10m",
            severity="warning",
            summary="Log lines wait for the log store: the collector's room is {{ $value | humanizePercentage }} full",
            runbook="LogsDoNotArrive",
        ),
        Alert(
            name="LogsDoNotArrive",
            expr='sum (rate(loki_distributor_lines_received_total{job="loki"}[15m])) == 0'
            " and on () sum (slm:requests:rate5m) > 0",
            wait="10m",
            severity="warning",
            summary="Requests are answered and the log store gets no line of them",
        ),
        Alert(
            name="LogFlood",
            # The store takes no more than its retention has room for (components/monitoring/loki.py).
            expr='sum (rate(loki_discarded_bytes_total{job="loki",reason="rate_limited"}[5m])) > 0',
            wait="5m",
            keep="5m",
            severity="warning",
            summary="More log lines come in than the store may take: {{ $value | humanize1024 }}B a second are refused",
        ),
    )


def _backups() -> tuple[Alert, ...]:
    last = 'slm_backup_last_success_timestamp_seconds{job="node"}'
    oldest = 'prometheus_tsdb_lowest_timestamp_seconds{job="prometheus"}'
    longest = f"> {LONGEST_DAYS} * 86400"
    return (
        Alert(
            name="BackupTooOld",
            expr=f"time() - {last} {longest}",
            wait="1h",
            severity="warning",
            summary="The last backup was made {{ $value | humanizeDuration }} ago",
        ),
        Alert(
            name="BackupMissing",
            # A stack that has kept nothing for longer than this has nothing to lose yet.
            expr=f"time() - {oldest} {longest} and on () slm:backup_expected unless on () {last}",
            wait="1h",
            severity="warning",
            summary="Figures of {{ $value | humanizeDuration }} are kept, and no backup was ever made",
            runbook="BackupTooOld",
        ),
    )
