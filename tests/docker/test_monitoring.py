"""Monitoring of a real stack: everything is asked and answers, lines arrive, and nobody sees what is not theirs."""

from __future__ import annotations

import getpass
import json
import os
import re
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from components.monitoring.dashboards import pages
from ops import docker_exec
from ops.verify import broken_controls
from tests.docker import fast_stack, tiny_model
from tests.docker.monitored import eventually, get, lines, query
from tests.docker.project import Project
from tests.panels import Watched, empty
from tests.unit.monitoring_samples import PARTS as BY_DEFAULT

# Where no image registry answers and nothing is cached, a quarter of an hour goes into compiling.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(2400)]

PARTS = BY_DEFAULT | {"forwarder"}
NOWHERE = "http://192.0.2.1:9090/api/v1/write"
"""An address that is nobody's: the link is cut for good."""

CANARY = "canary-of-a-prompt-7f3b91"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack with monitoring, brought up as a person does it, and one request to it."""
    project = fast_stack.declare(tmp_path_factory.mktemp("watched"), "test-watched")
    project.change({"slm:monitoring": {"target": "laptop", "scrape_seconds": 5, "forward": {"url": NOWHERE}}})
    try:
        project.first_up = project.ops("up", timeout=2300).must_succeed()
        body = {"model": tiny_model.NAME, "prompt": CANARY, "max_tokens": 4}
        answer = project.request("POST", "/v1/completions", next(iter(project.keys().values())), json=body)
        assert answer.status_code == 200, answer.text
        yield project
    finally:
        fast_stack.remove(project)


def test_up_brings_every_part_and_says_what_is_missing(watched: Project) -> None:
    assert set(watched.containers()) == PARTS | {"chat", "gateway"}
    assert watched.first_up
    assert "grafana: left out" in re.sub(r"\s+", " ", watched.first_up.output)


def test_everything_that_is_asked_answers(watched: Project) -> None:
    jobs = {"alertmanager", "blackbox", "cadvisor", "collector", "gateway", "loki", "node", "ollama", "prometheus"}
    jobs |= {"forwarder"}

    def healthy() -> bool:
        targets = get(watched, "http://127.0.0.1:9090/api/v1/targets")["data"]["activeTargets"]
        return (
            {t["labels"]["job"] for t in targets if t["health"] == "up"}
            == jobs
            == {t["labels"]["job"] for t in targets}
        )

    eventually(healthy, "a target that is up for each job")


def test_every_rule_can_be_evaluated(watched: Project) -> None:
    def rules() -> list[dict[str, Any]]:
        groups = get(watched, "http://127.0.0.1:9090/api/v1/rules")["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    assert len(rules()) > 25
    eventually(lambda: all(rule["health"] != "unknown" for rule in rules()), "every rule evaluated once")
    assert [rule["name"] for rule in rules() if rule["health"] != "ok"] == []


def test_figures_wait_on_disk_while_nobody_takes_them(watched: Project) -> None:
    eventually(lambda: query(watched, "vmagent_remotewrite_pending_data_bytes > 1000"), "figures that wait")
    assert query(watched, 'sum(vmagent_remotewrite_requests_total{status_code="2XX"}) == 0')
    [dropped] = query(watched, "sum(vm_persistentqueue_blocks_dropped_total)")
    assert dropped["value"][1] == "0"


def test_the_page_about_forwarded_figures_shows_them(watched: Project) -> None:
    [page] = [page for page in pages() if page.uid == "slm-forwarding"]
    asked = Watched(partial(get, watched), {"chat": "ollama"})
    # How many were lost in an hour takes two scrapes.
    eventually(lambda: empty(asked, page) == [], "each panel has a figure")


def test_prometheus_tells_alertmanager(watched: Project) -> None:
    known = get(watched, "http://127.0.0.1:9090/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
    assert [entry["url"] for entry in known] == ["http://alertmanager:9093/api/v2/alerts"]
    eventually(lambda: get(watched, "http://alertmanager:9093/api/v2/alerts"), "an alert at Alertmanager")


def test_the_gateway_asks_for_a_key_on_the_clients_path(watched: Project) -> None:
    eventually(lambda: query(watched, "probe_success == 1"), "a probe that succeeds")


def test_the_exporter_for_ollama_sees_the_model_in_memory(watched: Project) -> None:
    eventually(lambda: query(watched, 'slm_ollama_models_loaded{engine="chat"} == 1'), "a loaded model")
    [up] = query(watched, "slm_ollama_up")
    assert (up["metric"]["kind"], up["metric"]["model"]) == ("ollama", tiny_model.NAME)


def test_memory_of_every_container_of_the_stack_and_of_no_other_is_known(watched: Project) -> None:
    def seen() -> set[str]:
        return {s["metric"].get("workload", "") for s in query(watched, "container_memory_working_set_bytes")}

    eventually(lambda: seen() == set(watched.containers()), "memory of each container")
    [limit] = query(watched, 'container_spec_memory_limit_bytes{workload="chat"}')
    own = watched.containers()["chat"].attrs["HostConfig"]["Memory"]
    assert float(limit["value"][1]) == own


def test_the_disk_of_docker_is_watched_once(watched: Project) -> None:
    [disk] = query(watched, "node_filesystem_avail_bytes")
    assert disk["metric"]["mountpoint"] == "/var/lib/docker"


def test_lines_of_every_workload_arrive_with_its_name(watched: Project) -> None:
    def asked() -> list[dict[str, Any]]:
        told = (json.loads(line) for line in lines(watched, '{workload="gateway"}') if line.startswith("{"))
        return [entry for entry in told if entry.get("path") == "/v1/completions"]

    eventually(asked, "the line of the request")
    assert {"key", "id", "status"} <= asked()[0].keys()
    eventually(lambda: lines(watched, '{workload="chat"}'), "lines of the engine")


def test_who_changed_the_stack_is_in_its_log_store_once(watched: Project) -> None:
    def noted() -> list[str]:
        return sorted((watched.folder / ".slm/audit.jsonl").read_text().splitlines())

    def told() -> list[str]:
        return sorted(lines(watched, '{workload="audit", stream="file"}'))

    eventually(lambda: told() == noted(), "each note, and none of them twice")
    up = [entry for entry in map(json.loads, told()) if entry["did"] == f"make up STACK={watched.stack}"]
    assert {entry["outcome"] for entry in up} == {"begun", "done"}
    assert {entry["who"] for entry in up} == {os.environ.get("SUDO_USER") or getpass.getuser()}


def test_requests_and_tokens_of_a_key_are_series_within_a_minute(watched: Project) -> None:
    [(key, value)] = watched.keys().items()
    counters = "{__name__=~'slm_key_(requests|tokens)_total'}"

    def counted() -> dict[tuple[str, ...], float]:
        names = ("__name__", "key", "model", "code_class", "direction")
        return {
            tuple(found["metric"][name] for name in names if name in found["metric"]): float(found["value"][1])
            for found in query(watched, counters)
        }

    asked = ("slm_key_requests_total", key, tiny_model.NAME, "2xx")

    def settled() -> bool:
        """The requests of before are all counted: nothing has been added for two rounds of collector and scrape."""
        seen = counted()
        time.sleep(12)
        return asked in seen and seen == counted()

    eventually(settled, "the first request of the key", 240)
    before = counted()
    body = {"model": tiny_model.NAME, "prompt": CANARY, "max_tokens": 4}
    usage = watched.request("POST", "/v1/completions", value, json=body).json()["usage"]
    assert watched.request("POST", "/v1/completions", value, json=body | {"stream": True}).status_code == 200
    assert watched.request("POST", "/v1/completions", value, json=body | {"model": CANARY}).status_code == 404
    assert watched.request("POST", "/v1/completions", "x" * 40, json=body).status_code == 401
    expected: dict[tuple[str, ...], float] = {
        asked: 2,
        ("slm_key_requests_total", key, "-", "4xx"): 1,
        # Of the stream nobody has told them.
        ("slm_key_tokens_total", key, tiny_model.NAME, "in"): usage["prompt_tokens"],
        ("slm_key_tokens_total", key, tiny_model.NAME, "out"): usage["completion_tokens"],
    }

    def more() -> dict[tuple[str, ...], float]:
        return {series: value - before.get(series, 0) for series, value in counted().items()}

    # Lines of one moment may be counted in two of the collector's rounds.
    eventually(lambda: all(more().get(series, 0) >= n for series, n in expected.items()), "a count of each request", 60)
    assert more() == expected
    rates = "slm:key_requests:rate5m > 0 or slm:key_tokens:rate5m > 0"
    eventually(lambda: len(query(watched, rates)) >= 3, "rates of the key's requests and tokens")
    assert value not in json.dumps(query(watched, counters))


def test_no_prompt_and_no_key_is_in_any_line(watched: Project) -> None:
    eventually(lambda: lines(watched, '{workload="gateway"}'), "lines of the gateway")
    text = "\n".join(lines(watched, '{workload=~".+"}'))
    assert CANARY not in text
    assert not [name for name, key in watched.keys().items() if key in text]


@pytest.mark.parametrize("part", sorted(PARTS))
def test_every_part_holds_the_controls(watched: Project, part: str) -> None:
    assert broken_controls(watched.containers()[part].attrs) == []


def test_control_10_an_engine_reaches_no_store_and_no_alarm(watched: Project) -> None:
    chat = watched.containers()["chat"]
    parts = ("loki/3100", "alertmanager/9093", "collector/8888", "collector/8889", "engine-api/2375", "cadvisor/8080")
    for part in parts:
        assert chat.exec_run(["timeout", "3", "bash", "-c", f"exec 3<>/dev/tcp/{part}"]).exit_code != 0, part


def test_control_10_monitoring_has_no_way_out(watched: Project) -> None:
    for part in sorted(BY_DEFAULT - {"engine-api"}):
        container = watched.containers()[part]
        networks = set(container.attrs["NetworkSettings"]["Networks"])
        kinds = {name.removeprefix(f"slm-{watched.stack}-") for name in networks}
        assert kinds <= {"internal", "monitoring", "engine-api"}, part


def test_control_11_the_engines_interface_answers_questions_and_no_commands(watched: Project) -> None:
    cadvisor = watched.containers()["cadvisor"]

    def status(*words: str) -> str:
        done = docker_exec.run(cadvisor, ["wget", "-S", "-q", "-O", "-", *words])
        said = (done.output + done.errors).decode()
        return (re.findall(r"HTTP/1\.[01] (\d+)|HTTP (\d+)|error.* (\d{3})", said) or [("none",)])[0]

    base = "http://engine-api:2375"
    assert cadvisor.exec_run(["wget", "-q", "-O", "-", f"{base}/version"]).exit_code == 0
    for path in ("/containers/json?all=1", "/v1.41/info"):
        assert cadvisor.exec_run(["wget", "-q", "-O", "-", f"{base}{path}"]).exit_code == 0, path
    own = watched.containers()["chat"].id
    for path in (
        "/images/json",
        "/volumes",
        f"/containers/{own}/logs?stdout=1",
        f"/containers/{own}/archive?path=/etc/slm",
    ):
        assert "403" in status(f"{base}{path}"), path
    for path in (f"/containers/{own}/stop", "/containers/create", f"/containers/{own}/exec"):
        assert "403" in status("--post-data", "{}", f"{base}{path}"), path
    assert watched.containers()["chat"].status == "running"


def test_nothing_is_left_to_do_right_after_up(watched: Project) -> None:
    watched.pulumi("preview", "--expect-no-changes").must_succeed()


def test_a_changed_rule_is_a_reload_and_no_restart(watched: Project) -> None:
    before = {name: c.id for name, c in watched.containers().items()}
    watched.change({"slm:monitoring": {"objectives": {"availability": 0.98}}})
    watched.ops("up").must_succeed()
    assert {name: c.id for name, c in watched.containers().items()} == before
    eventually(lambda: query(watched, "slm:objective_availability == 0.98"), "the new objective in a recorded series")
