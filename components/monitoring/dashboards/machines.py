"""What everything runs on: GPUs and hosts."""

from __future__ import annotations

from components.monitoring.dashboards.model import Choice, Page, Panel, Query, Row, above, below
from components.monitoring.rules.alerts_hosts import FRAMES, FREE, GPU

NODE = 'job="node",instance="$host"'
CARD = "GPU {{gpu}}"
HOST = Choice(name="host", title="Host", series='node_uname_info{job="node"}', label="instance")


def gpus() -> Page:
    """GPUs, by NVIDIA's exporter; empty on a stack without one."""
    return Page(
        uid="slm-gpu",
        title="GPUs",
        about="Use, memory, heat and faults of each GPU. Empty on a stack without GPUs.",
        rows=(
            Row(
                title="Work",
                panels=(
                    _card("Use", "The share of time in which anything runs.", "percent", "UTIL", runbooks=("GpuIdle",)),
                    Panel(
                        title="Memory in use",
                        about="vLLM takes what it may and keeps it, so that this is flat.",
                        unit="percentunit",
                        queries=(Query(expr=f"DCGM_FI_DEV_FB_USED{{{GPU}}} / {FRAMES}", legend=CARD),),
                        low=0,
                        high=1,
                        runbooks=("GpuMemoryFull",),
                    ),
                    Panel(
                        title="Copying of memory",
                        about="The share of time in which its memory is read or written: what limits the speed of one"
                        " answer.",
                        unit="percent",
                        queries=(Query(expr=f"DCGM_FI_DEV_MEM_COPY_UTIL{{{GPU}}}", legend=CARD),),
                        low=0,
                        high=100,
                    ),
                ),
            ),
            Row(
                title="Health",
                panels=(
                    Panel(
                        title="Temperature",
                        about="Above 85 degrees a card slows down to protect itself.",
                        unit="celsius",
                        queries=(Query(expr=f"DCGM_FI_DEV_GPU_TEMP{{{GPU}}}", legend=CARD),),
                        steps=below(80, 85),
                        runbooks=("GpuHot",),
                    ),
                    Panel(
                        title="Power",
                        about="Drawn now.",
                        unit="watt",
                        queries=(Query(expr=f"DCGM_FI_DEV_POWER_USAGE{{{GPU}}}", legend=CARD),),
                        low=0,
                    ),
                    Panel(
                        title="Clock",
                        about="Falls when a card is too hot or has no power to spare.",
                        unit="hertz",
                        queries=(Query(expr=f"DCGM_FI_DEV_SM_CLOCK{{{GPU}}} * 1e6", legend=CARD),),
                        low=0,
                    ),
                    Panel(
                        title="Last fault (XID)",
                        about="The number of the last fault; 0 for none since the driver was loaded.",
                        shape="stat",
                        unit="none",
                        queries=(Query(expr=f"DCGM_FI_DEV_XID_ERRORS{{{GPU}}}", legend=CARD, now=True),),
                        steps=below(1, 1.5),
                        width=24,
                        height=4,
                        runbooks=("GpuFault",),
                    ),
                ),
            ),
        ),
    )


def _card(title: str, about: str, unit: str, what: str, **rest: object) -> Panel:
    query = Query(expr=f"DCGM_FI_DEV_GPU_{what}{{{GPU}}}", legend=CARD)
    return Panel.model_validate(
        {"title": title, "about": about, "unit": unit, "queries": (query,), "low": 0, "high": 100, **rest}
    )


def hosts() -> Page:
    """Processors, memory, disks and network of a host, and the containers on it."""
    return Page(
        uid="slm-host",
        title="Host",
        about="Processors, memory, disks and network of a host, and the stack's containers.",
        choices=(HOST,),
        rows=(Row(title="Host", panels=_host()), Row(title="Containers", panels=_containers())),
    )


def _host() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Processors in use",
            about="Cores that do not idle.",
            queries=(
                Query(
                    expr=f'sum by (mode) (rate(node_cpu_seconds_total{{{NODE},mode!="idle"}}[$__rate_interval]))',
                    legend="{{mode}}",
                ),
            ),
            low=0,
            stacked=True,
        ),
        Panel(
            title="Memory left",
            about="What can be given to programs, files that are only cached included.",
            unit="bytes",
            queries=(
                Query(expr=f"node_memory_MemAvailable_bytes{{{NODE}}}", legend="left"),
                Query(expr=f"node_memory_MemTotal_bytes{{{NODE}}}", legend="all"),
            ),
            low=0,
            runbooks=("HostMemoryLow",),
        ),
        Panel(
            title="Disk space left",
            about="Of each file system. Weights, images, metrics and logs are on it.",
            shape="bargauge",
            unit="percentunit",
            queries=(
                Query(expr=f"{FREE} and on (instance) node_uname_info{{{NODE}}}", legend="{{mountpoint}}", now=True),
            ),
            steps=above(0.05, 0.15),
            low=0,
            high=1,
            runbooks=("DiskNearlyFull",),
        ),
        Panel(
            title="Disk reads and writes",
            about="Of all disks together.",
            unit="Bps",
            queries=(
                Query(expr=f"sum (rate(node_disk_read_bytes_total{{{NODE}}}[$__rate_interval]))", legend="read"),
                Query(expr=f"sum (rate(node_disk_written_bytes_total{{{NODE}}}[$__rate_interval]))", legend="written"),
            ),
            low=0,
        ),
        Panel(
            title="Pressure",
            about="The share of time in which something had to wait for processors, memory or disks.",
            unit="percentunit",
            queries=tuple(
                Query(expr=f"rate(node_pressure_{what}_waiting_seconds_total{{{NODE}}}[$__rate_interval])", legend=what)
                for what in ("cpu", "memory", "io")
            ),
            low=0,
        ),
        Panel(
            title="Clock",
            about="How far it is from its source.",
            unit="s",
            queries=(Query(expr=f"node_timex_offset_seconds{{{NODE}}}", legend="offset"),),
            runbooks=("HostClockWrong",),
        ),
    )


def _containers() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Memory of containers",
            about="Without cached files that can be given back.",
            unit="bytes",
            queries=(Query(expr="slm:workload_memory_bytes", legend="{{workload}}"),),
            low=0,
            stacked=True,
            runbooks=("WorkloadMemoryNearlyFull",),
        ),
        Panel(
            title="Processors of containers",
            about="Cores in use.",
            queries=(Query(expr="slm:workload_cpus:rate5m", legend="{{workload}}"),),
            low=0,
            stacked=True,
        ),
        Panel(
            title="Held back by their processor limit",
            about="The share of the kernel's periods in which a container had to stand still.",
            unit="percentunit",
            queries=(Query(expr="slm:workload_throttled:ratio_rate5m", legend="{{workload}}"),),
            low=0,
            high=1,
            runbooks=("WorkloadThrottled",),
        ),
    )
