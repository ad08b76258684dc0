"""Rules and scrapes with shorter times, so that fifteen drills end within the hour (pure).

Alerts wait at most ten seconds instead of minutes, figures are taken every five seconds, and windows of up to an hour
have one minute. Longer windows stay, and so does the wait of an alert that has one: it would judge hours by the minutes
that a stack is old. What an alert is about does not change.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

EVERY = "5s"
WAIT_SECONDS = 10
WINDOW_SECONDS = 60
LONGEST_CHANGED = 3600

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_WINDOW = re.compile(r"\[(\d+[smhd])(:\d+[smhd])?\]")


def seconds(duration: str) -> int:
    """`15m` in seconds."""
    return int(duration[:-1]) * _UNITS[duration[-1]]


def rules(text: str) -> str:
    """A rule file with these times."""
    document = yaml.safe_load(text)
    for group in document["groups"]:
        group["interval"] = EVERY
        for rule in group["rules"]:
            if not looks_far_back(rule["expr"]):
                for key in ("for", "keep_firing_for"):
                    if key in rule:
                        rule[key] = f"{min(seconds(rule[key]), WAIT_SECONDS)}s"
            rule["expr"] = _WINDOW.sub(_window, rule["expr"])
    return yaml.safe_dump(document, sort_keys=False, width=1000)


def looks_far_back(expression: str) -> bool:
    """Whether it has a window that stays as it is because it is long."""
    return any(seconds(long) > LONGEST_CHANGED for long, _ in _WINDOW.findall(expression))


def _window(found: re.Match[str]) -> str:
    long, step = found.groups()
    if not WINDOW_SECONDS < seconds(long) <= LONGEST_CHANGED:
        return found.group()
    return f"[{WINDOW_SECONDS}s{f':{EVERY}' if step else ''}]"


def scrapes(text: str, stand_in: str | None = None, job: str = "", path: str = "") -> str:
    """Prometheus's configuration with these times; `job` asks `stand_in` (`host:port`) at `path` instead of its own."""
    document = yaml.safe_load(text)
    document["global"] |= {"scrape_interval": EVERY, "scrape_timeout": "4s", "evaluation_interval": EVERY}
    document["scrape_configs"] = [
        _standing_in(config, stand_in, path) if stand_in and config["job_name"] == job else _often(config)
        for config in document["scrape_configs"]
    ]
    return yaml.safe_dump(document, sort_keys=False, width=1000)


def _often(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in ("scrape_interval", "scrape_timeout")}


def _standing_in(config: dict[str, Any], stand_in: str, path: str) -> dict[str, Any]:
    # Its own relabelling goes: it would send the question where it went before.
    return {"job_name": config["job_name"], "metrics_path": path, "static_configs": [{"targets": [stand_in]}]}
