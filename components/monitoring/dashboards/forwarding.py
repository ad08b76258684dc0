"""Figures on their way to a store beyond the stack."""

from __future__ import annotations

from components.monitoring.dashboards.model import GOOD_UNTIL_ZERO, Page, Panel, Query, Row

LOST = {
    "refused": "vmagent_remotewrite_packets_dropped_total",
    "without room": "vm_persistentqueue_blocks_dropped_total",
}


def forwarding() -> Page:
    """What waits for the link, and what never arrives."""
    return Page(
        uid="slm-forwarding",
        title="Forwarded figures",
        about="What waits for the store beyond the stack, and what is lost? Empty without slm:monitoring forward.",
        rows=(Row(title="On the way", panels=(_waiting(), _lost())),),
    )


def _waiting() -> Panel:
    return Panel(
        title="Figures that wait",
        about="On the forwarder's disk, until the store takes them.",
        unit="bytes",
        queries=(
            Query(expr='sum (vmagent_remotewrite_pending_data_bytes{job="forwarder"})', legend="waiting"),
            Query(expr='sum (vm_persistentqueue_free_disk_space_bytes{job="forwarder"})', legend="room left"),
        ),
        low=0,
        runbooks=("ForwardingBehind",),
    )


def _lost() -> Panel:
    return Panel(
        title="Blocks of figures that are lost",
        about="In the last hour: the store refused them, or there was no room.",
        shape="stat",
        queries=tuple(
            Query(expr=f'sum (increase({name}{{job="forwarder"}}[1h]))', legend=legend, now=True)
            for legend, name in LOST.items()
        ),
        steps=GOOD_UNTIL_ZERO,
        runbooks=("ForwardingDropping",),
    )
