"""The monitoring itself."""

from __future__ import annotations

from components.monitoring.dashboards.model import GOOD_UNTIL_ZERO, Page, Panel, Query, Row, Step, below

# It reads the gateway's lines a second time to count them.
READ = 'otelcol_receiver_accepted_log_records{job="collector",receiver="file_log"}'


def watching() -> Page:
    """Targets, sizes, alerts on their way, and the log store."""
    return Page(
        uid="slm-monitoring",
        title="Monitoring itself",
        about="Does Prometheus get its figures, do alerts get out, do logs get in, and what does it all take?",
        rows=(
            Row(title="Targets", panels=_targets()),
            Row(title="Prometheus and Alertmanager", panels=_alerts()),
            Row(title="Logs", panels=_logs()),
        ),
    )


def _targets() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Targets that answer",
            about="1 while Prometheus gets figures.",
            shape="stat",
            unit="bool_on_off",
            queries=(Query(expr="min by (job) (up)", legend="{{job}}", now=True),),
            steps=(Step(color="red"), Step(color="green", value=1)),
            runbooks=("TargetDown",),
        ),
        Panel(
            title="Series of each target",
            about="Those of one scrape, after relabelling.",
            queries=(Query(expr="scrape_samples_post_metric_relabeling", legend="{{job}} {{instance}}"),),
            low=0,
            runbooks=("ScrapeTooLarge",),
        ),
        Panel(
            title="Time of a scrape",
            about="A target that computes on all cores answers later.",
            unit="s",
            queries=(Query(expr="scrape_duration_seconds", legend="{{job}} {{instance}}"),),
            low=0,
        ),
    )


def _alerts() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Series in memory",
            about="What decides how much memory Prometheus takes.",
            queries=(Query(expr='prometheus_tsdb_head_series{job="prometheus"}', legend="series"),),
            low=0,
        ),
        Panel(
            title="Rules that fail",
            about="In the last hour.",
            shape="stat",
            queries=(
                Query(expr='sum (increase(prometheus_rule_evaluation_failures_total{job="prometheus"}[1h]))', now=True),
            ),
            steps=GOOD_UNTIL_ZERO,
            runbooks=("PrometheusRulesFail",),
        ),
        Panel(
            title="Notifications",
            about="Sent to receivers, and those that failed.",
            unit="cps",
            queries=(
                Query(
                    expr='sum by (integration) (rate(alertmanager_notifications_total{job="alertmanager"}[5m]))',
                    legend="{{integration}} sent",
                ),
                Query(
                    expr='sum by (integration) (rate(alertmanager_notifications_failed_total{job="alertmanager"}[5m]))',
                    legend="{{integration}} failed",
                ),
            ),
            low=0,
            runbooks=("AlertsDoNotArrive",),
        ),
        Panel(
            title="Space taken by metrics",
            about="Blocks on disk.",
            unit="bytes",
            queries=(
                Query(expr='prometheus_tsdb_storage_blocks_bytes{job="prometheus"}', legend="blocks"),
                Query(expr='prometheus_tsdb_wal_storage_size_bytes{job="prometheus"}', legend="log ahead of them"),
            ),
            low=0,
            runbooks=("DiskNearlyFull",),
        ),
        Panel(
            title="Memory of the monitoring",
            about="Of its containers.",
            unit="bytes",
            queries=(
                Query(
                    expr='slm:workload_memory_bytes{workload=~"prometheus|alertmanager|loki|collector|blackbox|'
                    'node-exporter|cadvisor|ollama-exporter|dcgm-exporter|engine-api|kubelet-proxy|grafana|forwarder"}',
                    legend="{{workload}}",
                ),
            ),
            low=0,
            stacked=True,
        ),
        Panel(
            title="Time since the last backup",
            about="Of figures, logs, silences, accounts and chats, by make backup. Empty before the first.",
            shape="stat",
            unit="dtdurations",
            queries=(Query(expr='time() - slm_backup_last_success_timestamp_seconds{job="node"}', now=True),),
            # Yellow after a week, red when the alert is due.
            steps=below(7 * 86400, 8 * 86400),
            runbooks=("BackupTooOld",),
        ),
        Panel(
            title="Time of evaluating rules",
            about="Of each group's last evaluation. Longer than the interval, and evaluations are left out.",
            unit="s",
            queries=(
                Query(expr='prometheus_rule_group_last_duration_seconds{job="prometheus"}', legend="{{rule_group}}"),
            ),
            low=0,
        ),
    )


def _logs() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Log lines that come in",
            about="Of all workloads.",
            unit="Bps",
            queries=(Query(expr='sum (rate(loki_distributor_bytes_received_total{job="loki"}[5m]))', legend="bytes"),),
            low=0,
            runbooks=("LogFlood", "LogsDoNotArrive"),
        ),
        Panel(
            title="Log lines on their way",
            about="Read by the collector, and taken by the store.",
            unit="cps",
            queries=(
                Query(expr=f"sum (rate({READ}[5m]))", legend="read"),
                Query(expr='sum (rate(otelcol_exporter_sent_log_records{job="collector"}[5m]))', legend="taken"),
            ),
            low=0,
            runbooks=("LogsDoNotArrive",),
        ),
        Panel(
            title="Room for lines that wait",
            about="What the collector keeps while the store is away. When it is full, the oldest lines are lost.",
            unit="percentunit",
            queries=(
                Query(
                    expr='otelcol_exporter_queue_size{job="collector"}'
                    ' / otelcol_exporter_queue_capacity{job="collector"}',
                    legend="full",
                ),
            ),
            steps=below(0.25, 0.8),
            low=0,
            high=1,
            runbooks=("LogsDoNotArrive",),
        ),
    )
