"""What tests ask the monitoring of a real stack, and from where: no port of it is published."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from ops import docker_exec
from tests.docker.project import Project


def get(project: Project, url: str) -> Any:
    """Ask a part of monitoring from inside: no port of it is published."""
    done = docker_exec.run(project.containers()["prometheus"], ["wget", "-q", "-T", "20", "-O", "-", url])
    assert done.exit_code == 0, f"{url}: {done.errors.decode()}"
    return json.loads(done.output)


def query(project: Project, expression: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = get(project, f"http://127.0.0.1:9090/api/v1/query?query={quote(expression)}")["data"][
        "result"
    ]
    return found


def lines(project: Project, selector: str) -> list[str]:
    start = int((time.time() - 3600) * 1e9)
    url = f"http://loki:3100/loki/api/v1/query_range?query={quote(selector)}&limit=5000&start={start}"
    return [line for stream in get(project, url)["data"]["result"] for _, line in stream["values"]]


def eventually(condition: Callable[[], object], what: str, seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(1)
