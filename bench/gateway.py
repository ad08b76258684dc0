"""What the gateway costs: the same request straight to an engine and through HAProxy, on the loopback address."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.caller import crowd, latencies, rate
from bench.stack import PLAIN, free_port
from bench.table import Goal, Row, compared, interleaved, percentile
from components.gateway import Gateway, Limits, Route, key_map, workload
from components.gateway.render import INTERNAL_PORT, PORT
from components.targets.docker.container import Names, job_arguments
from components.workload import FILES_DIRECTORY
from ops.errors import UserError
from ops.secrets.keys import new_key

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

CLIENTS = 4
PLENTY = 1_000_000_000
PATH = "/v1/chat/completions"
NAMES = Names(PLAIN)


def measure(
    client: DockerClient, image: str, folder: Path, *, rounds: int = 5, count: int = 500, seconds: float = 2
) -> list[Row]:
    """Rows of added latency and of requests per second. Raises UserError."""
    key, engine, published, internal = new_key(), free_port(), free_port(), free_port()
    with upstream(engine), gateway(client, image, folder, key, engine, published, internal):
        body = json.dumps({"model": "bench", "messages": [{"role": "user", "content": "What is 240 / 3?"}]}).encode()
        head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        request = f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        _until_it_answers(published, request)
        for port in (engine, published):
            latencies(port, request, 50)
        ours, direct = [], []
        for _ in range(rounds):
            direct.append([1000 * s for s in latencies(engine, request, count)])
            ours.append([1000 * s for s in latencies(published, request, count)])
        with crowd(CLIENTS) as pool:
            through, straight = interleaved(
                max(2, rounds // 2),
                lambda: rate(pool, CLIENTS, published, request, seconds),
                lambda: rate(pool, CLIENTS, engine, request, seconds),
            )
    note = f"{rounds} rounds of {count} requests, one at a time; medians of the rounds"
    rows = [
        compared(
            f"gateway: latency p{percent}",
            "ms",
            [percentile(values, percent) for values in ours],
            [percentile(values, percent) for values in direct],
            goal,
            note,
        )
        for percent, goal in ((50, Goal("added", 1)), (99, None))
    ]
    note = f"{CLIENTS} clients at once"
    return [*rows, compared("gateway: requests per second", "1/s", through, straight, None, note)]


@contextmanager
def upstream(port: int) -> Iterator[None]:
    """The fake engine, in a process of its own."""
    process = subprocess.Popen([sys.executable, "-m", "bench.upstream", str(port)])
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def configuration(engine: int, published: int, internal: int) -> tuple[str, Gateway]:
    """The rendered configuration with other ports, and limits that do not trigger."""
    limits = Limits(requests_per_minute=PLENTY, concurrent_requests=PLENTY)
    route = Route(name="bench", model="bench", host="127.0.0.1", port=engine, concurrency=64, paths=(("POST", PATH),))
    settings = Gateway(target="local", limits=limits)
    text = workload(settings, (route,), "sha256:" + "0" * 64).files[0].content
    for inside, outside in ((PORT, published), (INTERNAL_PORT, internal)):
        if text.count(f"bind :{inside}") != 1:
            raise UserError(f"the rendered configuration does not listen on {inside} once", fix="mend bench/gateway.py")
        text = text.replace(f"bind :{inside}", f"bind 127.0.0.1:{outside}")
    return text, settings


@contextmanager
def gateway(
    client: DockerClient, image: str, folder: Path, key: str, engine: int, published: int, internal: int
) -> Iterator[Container]:
    """HAProxy on the host's network, with the limits and the hardening it has in a stack."""
    text, settings = configuration(engine, published, internal)
    folder.mkdir()
    for name, content in (("haproxy.cfg", text), ("keys.map", key_map({"bench": key}))):
        (folder / name).write_text(content)
        (folder / name).chmod(0o444)
    wants = workload(
        settings, (Route(name="x", model="x", host="x", port=1, concurrency=1, paths=(("POST", PATH),)),), image
    )
    arguments = job_arguments(wants, NAMES, [], None) | {
        "name": NAMES.container("gateway-alone"),
        "network_mode": "host",
        "volumes": {str(folder): {"bind": FILES_DIRECTORY, "mode": "ro"}},
    }
    for of_a_network in ("network", "network_disabled", "hostname"):
        del arguments[of_a_network]
    container = client.containers.create(**arguments)
    container.start()
    try:
        yield container
    finally:
        container.remove(force=True, v=True)


def _until_it_answers(port: int, request: bytes, seconds: float = 20) -> None:
    end, reason = time.monotonic() + seconds, ""
    while time.monotonic() < end:
        try:
            latencies(port, request, 1)
            return
        except (OSError, RuntimeError) as error:
            reason = str(error)
            time.sleep(0.2)
    raise UserError(f"the gateway under measurement does not answer: {reason}", harm="it cannot be measured")
