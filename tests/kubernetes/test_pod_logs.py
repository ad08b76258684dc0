"""The real collector reads what container runtimes write of pods: whole lines, whose they are, and no other stack's."""

from __future__ import annotations

import gzip
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

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
    folder.mkdir(parents=True)
    (folder / "0.log").write_text(lines)


def test_lines_of_the_stacks_own_pods_arrive_whole_with_the_workloads_name(tmp_path: Path, loki: Loki) -> None:
    logs, day = tmp_path / "logs", "2026-11-26T20:00:0"
    written(
        logs, f"slm_chat-7d9f-abc_{UID}c", "chat",
        f"{day}0.1Z stdout F whole\n{day}1.1Z stderr P one \n{day}1.2Z stderr F line\n",
    )  # fmt: skip
    written(logs, f"slm-node-agents_dcgm-x_{UID}d", "dcgm-exporter", f"{day}2.1+01:00 stdout F of another runtime\n")
    written(logs, f"other_chat-1_{UID}e", "chat", f"{day}0.1Z stdout F of another stack\n")
    made = collector.node_workload(f"127.0.0.1:{loki.server_port}", ("slm", "slm-node-agents"), IMAGE)
    document = yaml.safe_load(made.files[0].content.replace(f"{collector.LOGS}/", f"{logs}/"))
    document["exporters"]["otlp_http"]["encoding"] = "json"
    document["extensions"]["file_storage"] = {"directory": str(tmp_path)}
    document["extensions"]["health_check"]["endpoint"] = "127.0.0.1:0"
    document["service"]["telemetry"]["metrics"] = {"level": "none"}
    config = tmp_path / "collector.yml"
    config.write_text(yaml.safe_dump(document))
    program = Installer().folder("collector") / "collector"
    with subprocess.Popen([program, f"--config={config}"], stderr=subprocess.PIPE, text=True) as running:
        try:
            wait(lambda: len(loki.lines) >= 3, "three lines")
        finally:
            running.terminate()
            _, told = running.communicate(timeout=30)
    assert set(loki.lines) == {"whole", "one line", "of another runtime"}, told
    whole = loki.lines["whole"]
    assert (whole["workload"], whole["stream"], whole["k8s.pod.name"]) == ("chat", "stdout", "chat-7d9f-abc")
    assert loki.lines["one line"]["stream"] == "stderr"
    assert loki.lines["of another runtime"]["workload"] == "dcgm-exporter"
    assert not [name for line in loki.lines.values() for name, told in line.items() if told == "beside the line"]
    assert "error" not in told.lower(), told
