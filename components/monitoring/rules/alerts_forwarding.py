"""Alerts about figures that go beyond the stack: late, refused, or lost (pure). Without a forwarder none can fire."""

from __future__ import annotations

from components.monitoring.rules.expressions import any_of
from components.monitoring.rules.rule import Alert, Group

OWN = 'job="forwarder"'


def forwarding_alerts() -> Group:
    """The way to the store, and the buffer before it."""
    pending = f"vm_persistentqueue_bytes_pending{{{OWN}}}"
    room = f"vm_persistentqueue_free_disk_space_bytes{{{OWN}}}"
    refused = f'vmagent_remotewrite_requests_total{{{OWN},status_code=~"40[1345]"}}'
    lost = (
        f"sum (increase(vmagent_remotewrite_packets_dropped_total{{{OWN}}}[1h])) > 0",
        f"sum (increase(vm_persistentqueue_blocks_dropped_total{{{OWN}}}[1h])) > 0",
    )
    return Group(
        name="forwarding-alerts",
        rules=(
            Alert(
                name="ForwardingBehind",
                # It was never empty: what waits is as old as the alert's wait. A new start is bridged.
                expr=f"sum (min_over_time(vmagent_remotewrite_pending_data_bytes{{{OWN}}}[15m])) > 0",
                wait="4h",
                severity="warning",
                summary="Figures have waited for hours to be forwarded: {{ $value | humanize1024 }}B",
            ),
            Alert(
                name="ForwardingRefused",
                expr=f"sum by (status_code) (increase({refused}[15m])) > 0",
                wait="10m",
                severity="warning",
                summary="The store for figures answers {{ $labels.status_code }}, which waiting does not change",
                runbook="ForwardingBehind",
            ),
            Alert(
                name="ForwardingBufferNearlyFull",
                expr=f"max ({pending} / ({pending} + {room})) > 0.8",
                wait="15m",
                severity="warning",
                summary="The room for figures that wait is {{ $value | humanizePercentage }} full",
                runbook="ForwardingBehind",
            ),
            Alert(
                name="ForwardingDropping",
                expr=any_of(*lost),
                severity="warning",
                summary="Figures for the store are lost: it refuses them, or there was no room to wait",
            ),
        ),
    )
