"""The real collector reads what container runtimes write of pods: whole lines, whose they are, and no other stack's.

It counts the requests and tokens of each API key in the gateway's lines, once each.
"""

from __future__ import annotations

import gzip
import json
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml

from components.monitoring import collector
from tests.kubernetes.conftest import wait
from tools.installer import Installer

pytestmark = pytest.mark.kubernetes
UID = "12345678-1234-1234-1234-123456789ab"
IMAGE = "docker.io/slm/collector:1@sha256:" + "c" * 64


class Loki(ThreadingHTTPServer):
    """Takes what the collector sends, as JSON."""

    def __init__(self) -> None:
        self.lines: dict[str, dict[str, str]] = {}
        super().__init__(("127.0.0.1", 0), _Taking)


class _Taking(BaseHTTPRequestHandler):
    server: Loki

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        for resource in json.loads(body)["resourceLogs"]:
            of = {a["key"]: a["value"].get("stringValue", "") for a in resource["resource"]["attributes"]}
            for record in (r for scope in resource["scopeLogs"] for r in scope["logRecords"]):
                left = {a["key"]: "beside the line" for a in record.get("attributes", ())}
                self.server.lines[record["body"]["stringValue"]] = of | left | {"time": record["timeUnixNano"]}
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def loki() -> Iterator[Loki]:
    with Loki() as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def written(logs: Path, pod: str, container: str, lines: str) -> None:
    folder = logs / pod / container
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "0.log").open("a") as file:
        file.write(lines)


@contextmanager
def reading(folder: Path, loki: Loki, counts_port: int = 0) -> Iterator[list[str]]:
    """The collector of a node whose logs are in `folder`; what it told of itself is known afterwards."""
    made = collector.node_workload(f"127.0.0.1:{loki.server_port}", ("slm", "slm-node-agents"), IMAGE)
    document = yaml.safe_load(made.files[0].content.replace(f"{collector.LOGS}/", f"{folder / 'logs'}/"))
    document["exporters"]["otlp_http"]["encoding"] = "json"
    document["exporters"]["prometheus"]["endpoint"] = f"127.0.0.1:{counts_port}"
    document["extensions"]["file_storage"] = {"directory": str(folder)}
    document["extensions"]["health_check"]["endpoint"] = "127.0.0.1:0"
    document["service"]["telemetry"]["metrics"] = {"level": "none"}
    config = folder / "collector.yml"
    config.write_text(yaml.safe_dump(document))
    program = Installer().folder("collector") / "collector"
    told: list[str] = []
    with subprocess.Popen([program, f"--config={config}"], stderr=subprocess.PIPE, text=True) as running:
        try:
            yield told
        finally:
            running.terminate()
            told.append(running.communicate(timeout=60)[1])


def test_lines_of_the_stacks_own_pods_arrive_whole_with_the_workloads_name(tmp_path: Path, loki: Loki) -> None:
    logs, day = tmp_path / "logs", "2026-11-26T20:00:0"
    written(
        logs, f"slm_chat-7d9f-abc_{UID}c", "chat",
        f"{day}0.1Z stdout F whole\n{day}1.1Z stderr P one \n{day}1.2Z stderr F line\n",
    )  # fmt: skip
    written(logs, f"slm-node-agents_dcgm-x_{UID}d", "dcgm-exporter", f"{day}2.1+01:00 stdout F of another runtime\n")
    written(logs, f"other_chat-1_{UID}e", "chat", f"{day}0.1Z stdout F of another stack\n")
    with reading(tmp_path, loki) as told:
        wait(lambda: len(loki.lines) >= 3, "three lines")
    assert set(loki.lines) == {"whole", "one line", "of another runtime"}, told
    whole = loki.lines["whole"]
    assert (whole["workload"], whole["stream"], whole["k8s.pod.name"]) == ("chat", "stdout", "chat-7d9f-abc")
    assert loki.lines["one line"]["stream"] == "stderr"
    assert loki.lines["of another runtime"]["workload"] == "dcgm-exporter"
    assert not [name for line in loki.lines.values() for name, told in line.items() if told == "beside the line"]
    assert "error" not in told[0].lower(), told


def request(key: str, status: int = 200, model: str = "phi", tokens: tuple[int, int] | None = (10, 4)) -> str:
    """The gateway's line of a request, as containerd writes it; of a stream nobody knows the tokens."""
    tokens_in, tokens_out = tokens or (None, None)
    fields = {"key": key, "model": model, "status": status, "tokens_in": tokens_in, "tokens_out": tokens_out}
    return f"2026-11-26T20:00:00.1Z stdout F {json.dumps(fields)}\n"


def counted(port: int) -> dict[str, float]:
    """Each series of keys without its name's beginning; none from a collector that does not answer yet."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            text = answer.read().decode()
    except OSError:  # One that listens already may still break off, which no URLError tells.
        return {}
    found = re.findall(r"^slm_key_(\w+_total\{.*\}) (\S+)$", text, flags=re.MULTILINE)
    return {series: float(value) for series, value in found}


def test_requests_and_tokens_of_each_key_are_counted_once_in_the_gateways_lines_alone(
    tmp_path: Path, loki: Loki
) -> None:
    logs, gateway = tmp_path / "logs", f"slm_gateway-7d9f-abc_{UID}a"
    written(logs, gateway, "gateway", request("before"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with reading(tmp_path, loki, port) as told:
        wait(lambda: loki.lines, "the line that was there before")
        written(logs, gateway, "gateway", request("dev-1") * 2 + request("dev-1", tokens=None))
        written(logs, gateway, "gateway", request("dev-1", 429, "-", None) + request("web", -1, tokens=None))
        written(logs, gateway, "gateway", request("-", 401, "-", None))
        written(logs, gateway, "gateway", "2026-11-26T20:00:00.1Z stdout F Proxy api started.\n")
        written(logs, gateway, "gateway", request("forged").replace("stdout", "stderr"))
        written(logs, f"slm_gateway-7d9f-new_{UID}b", "gateway", request("dev-1"))
        written(logs, f"slm_chat-7d9f-abc_{UID}c", "chat", request("forged"))
        written(logs, f"other_gateway-7d9f-abc_{UID}d", "gateway", request("forged"))
        wait(
            lambda: counted(port).get('requests_total{code_class="2xx",key="dev-1",model="phi"}') == 4, "four requests"
        )
        # Once this is seen, every file was looked at again.
        written(logs, gateway, "gateway", request("last", tokens=None))
        wait(lambda: 'requests_total{code_class="2xx",key="last",model="phi"}' in counted(port), "the last request")
        first = counted(port)
    written(logs, gateway, "gateway", request("dev-1"))
    with reading(tmp_path, loki, port) as told_again:
        wait(lambda: len(counted(port)) == 3, "what was written while nobody read")
        again = counted(port)
    assert first == {
        'requests_total{code_class="2xx",key="dev-1",model="phi"}': 4,
        'requests_total{code_class="4xx",key="dev-1",model="-"}': 1,
        'requests_total{code_class="2xx",key="last",model="phi"}': 1,
        'requests_total{code_class="other",key="web",model="phi"}': 1,
        'tokens_total{direction="in",key="dev-1",model="phi"}': 30,
        'tokens_total{direction="out",key="dev-1",model="phi"}': 12,
    }
    assert again == {
        'requests_total{code_class="2xx",key="dev-1",model="phi"}': 1,
        'tokens_total{direction="in",key="dev-1",model="phi"}': 10,
        'tokens_total{direction="out",key="dev-1",model="phi"}': 4,
    }
    assert "error" not in f"{told} {told_again}".lower()
