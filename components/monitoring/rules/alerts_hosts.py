"""Alerts about what everything runs on: containers, disks, memory, clocks and GPUs (pure)."""

from __future__ import annotations

from components.monitoring.rules.rule import Alert, Group

REAL = 'job="node",fstype!~"tmpfs|ramfs|overlay|squashfs|iso9660|nsfs"'
FREE = f"node_filesystem_avail_bytes{{{REAL}}} / node_filesystem_size_bytes{{{REAL}}}"
GPU = 'job="dcgm"'
XID = f"DCGM_FI_DEV_XID_ERRORS{{{GPU}}}"
FRAMES = f"(DCGM_FI_DEV_FB_USED{{{GPU}}} + DCGM_FI_DEV_FB_FREE{{{GPU}}})"


def host_alerts() -> Group:
    """Containers, the hosts they are on, and the hosts' GPUs."""
    return Group(name="host-alerts", rules=(*_containers(), *_disks(), *_host(), *_gpus()))


def _containers() -> tuple[Alert, ...]:
    again = "max_over_time(slm:workload_restarts:count15m[15m])"
    return (
        Alert(
            name="WorkloadRestarted",
            expr="slm:workload_restarts:count15m > 0",
            severity="info",
            summary="{{ $labels.workload }} was started again",
        ),
        Alert(
            name="WorkloadRestartsAgain",
            expr=f"{again} >= 3",
            severity="critical",
            summary="{{ $labels.workload }} was started again {{ $value }} times in a quarter of an hour",
            runbook="WorkloadRestarted",
        ),
        Alert(
            name="WorkloadOutOfMemory",
            # A container's own count ends with it, so that on Docker it was never seen to rise. The host's goes on: a
            # start right after a kill for want of memory is one, and so is a start after the container was full.
            expr='sum by (workload) (increase(container_oom_events_total{job="cadvisor",workload!=""}[5m])) > 0'
            # Both within three minutes: in a quarter of an hour others are started for reasons of their own.
            " or (slm:workload_restarts:count3m > 0 and on ()"
            ' sum (increase(node_vmstat_oom_kill{job="node"}[3m])) > 0)'
            " or (slm:workload_restarts:count15m > 0 and on (workload)"
            " max_over_time(slm:workload_memory:ratio[15m]) > 0.95)",
            keep="10m",
            severity="critical",
            summary="{{ $labels.workload }} was killed because its memory limit was reached",
        ),
        Alert(
            name="WorkloadMemoryNearlyFull",
            expr="slm:workload_memory:ratio > 0.95",
            wait="10m",
            severity="warning",
            summary="{{ $labels.workload }} uses {{ $value | humanizePercentage }} of its memory limit",
        ),
        Alert(
            name="WorkloadThrottled",
            expr="slm:workload_throttled:ratio_rate5m > 0.5",
            wait="15m",
            severity="info",
            summary="{{ $labels.workload }} is held back by its processor limit in {{ $value | humanizePercentage }} of"
            " all periods",
        ),
    )


def _disks() -> tuple[Alert, ...]:
    return (
        Alert(
            name="DiskNearlyFull",
            expr=f"{FREE} < 0.15",
            wait="5m",
            severity="warning",
            summary="{{ $labels.mountpoint }} of {{ $labels.instance }} has {{ $value | humanizePercentage }} left",
        ),
        Alert(
            name="DiskFull",
            expr=f"{FREE} < 0.05",
            wait="2m",
            severity="critical",
            summary="{{ $labels.mountpoint }} of {{ $labels.instance }} has {{ $value | humanizePercentage }} left",
            runbook="DiskNearlyFull",
        ),
        Alert(
            name="DiskFillsSoon",
            expr=f"predict_linear(node_filesystem_avail_bytes{{{REAL}}}[6h], 24 * 3600) < 0 and {FREE} < 0.4",
            wait="1h",
            severity="warning",
            summary="{{ $labels.mountpoint }} of {{ $labels.instance }} is full within a day if it goes on like this",
            runbook="DiskNearlyFull",
        ),
        Alert(
            name="InodesNearlyUsed",
            expr=f"node_filesystem_files_free{{{REAL}}} / (node_filesystem_files{{{REAL}}} > 0) < 0.1",
            wait="10m",
            severity="warning",
            summary="{{ $labels.mountpoint }} of {{ $labels.instance }} can hold few further files, however small",
        ),
    )


def _host() -> tuple[Alert, ...]:
    return (
        Alert(
            name="HostMemoryLow",
            expr='node_memory_MemAvailable_bytes{job="node"} / node_memory_MemTotal_bytes{job="node"} < 0.05',
            wait="5m",
            severity="warning",
            summary="{{ $labels.instance }} has {{ $value | humanizePercentage }} of its memory left",
        ),
        Alert(
            name="HostClockWrong",
            expr='abs(node_timex_offset_seconds{job="node"}) > 0.05',
            wait="10m",
            severity="warning",
            summary="The clock of {{ $labels.instance }} is {{ $value | humanizeDuration }} away from its source",
        ),
        Alert(
            name="HostClockUnset",
            expr='node_timex_sync_status{job="node"} == 0 and node_timex_maxerror_seconds{job="node"} >= 16',
            wait="1h",
            severity="info",
            summary="Nobody sets the clock of {{ $labels.instance }}",
            runbook="HostClockWrong",
        ),
    )


def _gpus() -> tuple[Alert, ...]:
    who = "GPU {{ $labels.gpu }} of {{ $labels.Hostname }}"
    return (
        Alert(
            name="GpuHot",
            expr=f"DCGM_FI_DEV_GPU_TEMP{{{GPU}}} > 85",
            wait="5m",
            severity="warning",
            summary=f"{who} has {{{{ $value }}}} degrees and will slow down",
        ),
        Alert(
            name="GpuFault",
            # The gauge holds the last fault's number for ever, and some versions make it with the first fault: what
            # counts is that it was not so an hour ago.
            expr=f"{XID} > 0 unless {XID} == {XID} offset 1h",
            severity="critical",
            summary=f"{who} reports fault XID {{{{ $value }}}}",
        ),
        Alert(
            name="GpuMemoryFull",
            expr=f"DCGM_FI_DEV_FB_FREE{{{GPU}}} / {FRAMES} < 0.02",
            wait="10m",
            severity="warning",
            summary=f"{who} has {{{{ $value | humanizePercentage }}}} of its memory left",
        ),
        Alert(
            name="GpuIdle",
            expr=f"avg_over_time(DCGM_FI_DEV_GPU_UTIL{{{GPU}}}[2h]) < 5",
            wait="2h",
            severity="info",
            summary=f"{who} has done nothing for hours and is paid for",
        ),
    )
