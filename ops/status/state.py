"""How a stack is, out of what its Prometheus says, and what of that is broken (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from pydantic import computed_field

from components.monitoring.alertmanager import WATCHDOG
from components.workload import Value
from ops.prometheus import Alert, Line, Sample, Target
from ops.status.keys import KEY_SERIES, Key, keys_in

FIRST_BYTE = "first_byte_seconds"

ENGINE_SERIES = {
    "slm:up": "up",
    "slm:copies_up": "copies_up",
    "slm:copies_described": "copies_described",
    "slm:models_loaded": "models_loaded",
    "slm:tokens_out:rate5m": "tokens_per_second",
    "slm:ttft_seconds:p95": "first_token_seconds",
    "slm:first_byte_seconds:mean": FIRST_BYTE,
    "slm:requests_running": "running",
    "slm:requests_waiting": "waiting",
    "slm:kv_cache_ratio": "kv_cache_ratio",
    "slm:memory_bytes": "memory_bytes",
    "slm:memory_predicted_bytes": "memory_predicted_bytes",
}
"""Recorded series of each engine, and the field of `Engine` that has its value."""

OTHER_SERIES = ("slm:job_described", "node_filesystem_avail_bytes", "node_filesystem_size_bytes", *KEY_SERIES)

FIGURES = f'{{__name__=~"{"|".join([*ENGINE_SERIES, *OTHER_SERIES])}"}}'
"""The one query that has them all."""


def cost_query(days: int) -> str:
    """US dollars of each engine in the last `days`, or since there are figures; a price is read each five minutes."""
    return f"sum by (engine) (sum_over_time(slm:usd_per_hour[{days}d:5m])) / 12"


def asked_query(seconds: int) -> str:
    """What Ollama's exporter said each time it was asked in the last `seconds`, of which the newest counts.

    A recorded series would not do: it does not tell of when its figures are.
    """
    return f'slm_ollama_models_loaded{{job="ollama"}}[{seconds}s]'


class Engine(Value):
    """One engine. None is what nobody knows: an engine of its kind does not tell, or there are no figures yet.

    Of several copies, memory is the fullest one's. `models_asked` is how many seconds ago Ollama was asked for what it
    holds in memory: right after a deployment that was before the first request. `usd` is the cost so far, in US
    dollars. `first_byte_seconds` is the gateway's mean, which every kind has; `first_token_seconds` is the 95th
    percentile, which some measure.
    """

    name: str
    kind: str
    model: str
    up: float | None = None
    copies_up: float | None = None
    copies_described: float | None = None
    models_loaded: float | None = None
    models_asked: float | None = None
    tokens_per_second: float | None = None
    first_token_seconds: float | None = None
    first_byte_seconds: float | None = None
    running: float | None = None
    waiting: float | None = None
    kv_cache_ratio: float | None = None
    memory_bytes: float | None = None
    memory_predicted_bytes: float | None = None
    usd: float | None = None

    @property
    def asleep(self) -> bool:
        """No copy runs, and none has to."""
        return not self.up and self.copies_described == 0

    @property
    def problem(self) -> str | None:
        """What is broken about it, None when nothing is."""
        if self.up is None:
            return f"{self.name}: Prometheus knows nothing of it (it was not deployed, or less than a minute ago)"
        if not self.up and not self.asleep:
            return f"{self.name} does not answer: its clients get 503"
        # Ollama lets an idle model go, and loads it again for the next request.
        if self.models_loaded == 0 and self.kind != "ollama" and not self.asleep:
            return f"{self.name} has no model in memory"
        return None


class Disk(Value):
    """A file system, in bytes."""

    mountpoint: str
    free: float
    size: float


class Status(Value):
    """How a stack is at one moment. `alerts` are those that fire, the worst first, without the watchdog."""

    engines: tuple[Engine, ...]
    alerts: tuple[Alert, ...]
    down: tuple[Target, ...]
    missing_jobs: tuple[str, ...]
    disks: tuple[Disk, ...]
    keys: tuple[Key, ...] = ()
    watched: bool

    @computed_field  # type: ignore[prop-decorator]
    @property
    def problems(self) -> list[str]:
        """A sentence for each thing that is broken; none when all is well. Warnings alone are not broken."""
        return list(self._problems())

    def _problems(self) -> Iterator[str]:
        yield from (problem for engine in self.engines if (problem := engine.problem))
        for target in self.down:
            yield f"{target.job} at {target.instance} gives no figures: {target.error or target.health}"
        for job in self.missing_jobs:
            yield f"Prometheus asks nobody for the figures of {job}"
        for alert in self.alerts:
            if alert.severity == "critical":
                yield f"{alert.name}: {alert.annotations.get('summary', 'no summary')}"
        if not self.watched:
            yield f"{WATCHDOG} does not fire, so no other alert can (in the first minute it has not begun to)"


def state(
    described: Mapping[str, tuple[str, str]],
    figures: Iterable[Sample],
    costs: Iterable[Sample],
    alerts: Iterable[Alert],
    targets: Iterable[Target],
    asked_before: Iterable[Line] = (),
    now: float = 0,
) -> Status:
    """The status. `described` are kind and model of each engine of the stack file by name, `costs` are of `cost_query`,
    `asked_before` of `asked_query` until `now` (seconds since 1970).

    A target that was never asked yet is neither up nor down.
    """
    samples, asked, before = list(figures), list(targets), list(asked_before)
    dollars = {sample.labels.get("engine", ""): sample.value for sample in costs}
    firing = [alert for alert in alerts if alert.state == "firing"]
    order = ("critical", "warning", "info")
    return Status(
        engines=tuple(
            Engine(
                name=name,
                kind=kind,
                model=model,
                usd=dollars.get(name),
                **_values(name, samples) | _held(name, before, now),
            )
            for name, (kind, model) in described.items()
        ),
        alerts=tuple(
            sorted(
                (alert for alert in firing if alert.name != WATCHDOG),
                key=lambda alert: (order.index(alert.severity) if alert.severity in order else -1, alert.name),
            )
        ),
        down=tuple(target for target in asked if target.health == "down"),
        missing_jobs=tuple(sorted(_labels("slm:job_described", "job", samples) - {target.job for target in asked})),
        disks=tuple(_disks(samples)),
        keys=tuple(keys_in(samples)),
        watched=any(alert.name == WATCHDOG for alert in firing),
    )


def _values(engine: str, samples: Iterable[Sample]) -> dict[str, float]:
    """Figures of an engine by field. A quantile of no requests is not a number, and the gateway's mean of none is zero:
    both are nothing.
    """
    found = {
        ENGINE_SERIES[sample.name]: sample.value
        for sample in samples
        if sample.name in ENGINE_SERIES and sample.labels.get("engine") == engine and math.isfinite(sample.value)
    }
    if not found.get(FIRST_BYTE):
        found.pop(FIRST_BYTE, None)
    return found


def _held(engine: str, before: Iterable[Line], now: float) -> dict[str, float]:
    """Models in memory of an Ollama's copies when each was asked last, and how long ago that is of the oldest."""
    last = [line.points[-1] for line in before if line.labels.get("engine") == engine and line.points]
    if not last:
        return {}
    return {"models_loaded": sum(value for _, value in last), "models_asked": max(0.0, now - min(at for at, _ in last))}


def _labels(name: str, label: str, samples: Iterable[Sample]) -> set[str]:
    return {sample.labels[label] for sample in samples if sample.name == name and label in sample.labels}


def _disks(samples: Iterable[Sample]) -> Iterator[Disk]:
    found: dict[tuple[str, str], dict[str, float]] = {}
    for sample in samples:
        if sample.name.startswith("node_filesystem_"):
            place = sample.labels.get("instance", ""), sample.labels.get("mountpoint", "")
            found.setdefault(place, {})[sample.name] = sample.value
    for (_, mountpoint), values in sorted(found.items()):
        free, size = (values.get(f"node_filesystem_{what}_bytes") for what in ("avail", "size"))
        if free is not None and size:
            yield Disk(mountpoint=mountpoint, free=free, size=size)
