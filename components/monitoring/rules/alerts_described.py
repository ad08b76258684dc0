"""Alerts about what runs and was not described so, and what was described and does not run (pure)."""

from __future__ import annotations

from components.monitoring.rules.expressions import CONTAINER
from components.monitoring.rules.rule import Alert, Group


def described_alerts() -> Group:
    """What somebody changed by hand, or what a deployment left behind."""
    digest = (
        f'label_replace(container_start_time_seconds{{{CONTAINER}}}, "image_digest", "$1", "image",'
        ' ".*(sha256:[0-9a-f]{64})")'
    )
    return Group(
        name="described-alerts",
        rules=(
            Alert(
                name="WorkloadMissing",
                # Without cAdvisor nobody knows, and that has an alert of its own.
                expr="slm:workload_copies_described > 0 unless on (workload) slm:workload_memory_bytes"
                ' and on () (up{job="cadvisor"} == 1)',
                wait="5m",
                severity="critical",
                summary="{{ $labels.workload }} is described and does not run",
            ),
            Alert(
                name="WorkloadImageDiffers",
                expr=f"(count by (workload, image_digest) ({digest}) and on (workload) slm:workload_image_described)"
                " unless on (workload, image_digest) slm:workload_image_described",
                wait="10m",
                severity="warning",
                summary="{{ $labels.workload }} runs from another image than the one described",
                runbook="WorkloadDiffers",
            ),
            Alert(
                name="WorkloadLimitDiffers",
                expr="slm:workload_limit_seen_bytes != slm:workload_memory_limit_bytes",
                wait="10m",
                severity="warning",
                summary="{{ $labels.workload }} has another memory limit than described: {{ $value | humanize1024 }}B",
                runbook="WorkloadDiffers",
            ),
        ),
    )
