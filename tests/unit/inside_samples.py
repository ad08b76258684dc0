"""A stand-in for the inside of a stack: answers as Prometheus and Alertmanager give them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ops.status.state import FIGURES, asked_query

QWEN = {"engine": "chat", "kind": "ollama", "model": "qwen"}
WELL = {
    "slm:up": 1,
    "slm:copies_up": 1,
    "slm:copies_described": 1,
    "slm:models_loaded": 1,
    "slm:requests_running": 2,
    "slm:requests_waiting": 3,
    "slm:first_byte_seconds:mean": 0.25,
    "slm:memory_bytes": 700 * 2**20,
    "slm:memory_predicted_bytes": 1000 * 2**20,
}
WATCHDOG = {
    "labels": {"alertname": "Watchdog", "severity": "info"},
    "annotations": {},
    "state": "firing",
    "activeAt": "2026-11-26T20:00:00.123Z",
}


def sample(name: str, value: float | str, **labels: str) -> dict[str, Any]:
    """A series of an instant query's answer."""
    return {"metric": {"__name__": name, **labels}, "value": [1.0, str(value)]}


def target(job: str, health: str = "up", error: str = "") -> dict[str, Any]:
    """A target as Prometheus lists it, with some of what else it says."""
    labels = {"job": job, "instance": f"{job}:1"}
    return {"labels": labels, "health": health, "lastError": error, "scrapeUrl": "http://x", "scrapePool": job}


def alert(name: str, severity: str, state: str = "firing") -> dict[str, Any]:
    """An alert as Prometheus lists it."""
    return {
        "labels": {"alertname": name, "severity": severity, "engine": "chat"},
        "annotations": {"summary": f"{name} [of] chat", "runbook_url": f"docs/runbooks/{name}.md"},
        "state": state,
        "activeAt": "2026-11-26T20:00:00.123Z",
        "value": "1e+00",
    }


class Stack:
    """A stack whose one engine is well. Tests change what it answers."""

    def __init__(self) -> None:
        self.figures = [sample(name, value, **QWEN) for name, value in WELL.items()]
        self.figures += [sample("slm:job_described", 1, job="gateway")]
        self.figures += [
            sample(f"node_filesystem_{what}_bytes", gib * 2**30, job="node", instance="node:1", mountpoint="/data")
            for what, gib in (("avail", 40), ("size", 100))
        ]
        self.queries: dict[str, Sequence[Mapping[str, Any]]] = {}
        self.ranges: dict[str, Sequence[Mapping[str, Any]]] = {}
        self.alerts = [WATCHDOG]
        self.targets = [target("gateway")]
        self.asked: list[str] = []

    def asked_ollama(self, seconds: int, *answers: tuple[float, float], engine: str = "chat") -> None:
        """What Ollama's exporter said in the last `seconds`: when, and how many models were in memory."""
        series = {"__name__": "slm_ollama_models_loaded", "engine": engine, "job": "ollama"}
        values = [[at, str(value)] for at, value in answers]
        self.queries[asked_query(seconds)] = [{"metric": series, "values": values}]

    def set(self, name: str, value: float | str, **labels: str) -> None:
        """Give a figure another value, or add it."""
        self.figures = [found for found in self.figures if found["metric"]["__name__"] != name]
        self.figures.append(sample(name, value, **(labels or QWEN)))

    def get(self, url: str) -> str:
        parts = urlsplit(url)
        self.asked.append(url)
        question = parse_qs(parts.query).get("query", [""])[0]
        data: dict[str, Any]
        match parts.path.removeprefix("/api/v1/"):
            case "query":
                data = {"result": self.figures if question == FIGURES else self.queries.get(question, [])}
            case "query_range":
                data = {"result": self.ranges.get(question, [])}
            case "alerts":
                data = {"alerts": self.alerts}
            case "targets":
                data = {"activeTargets": self.targets}
            case other:
                raise AssertionError(f"nobody answers {other}")
        return json.dumps({"status": "success", "data": data})

    def post(self, url: str, body: str) -> str:
        raise AssertionError(f"a status changes nothing, and this is a POST to {url}: {body}")
