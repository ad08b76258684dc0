"""`make status`: what it says of a stack, what counts as broken, and what it says when nobody can be asked."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest
import requests
from kubernetes.stream.ws_client import ERROR_CHANNEL
from rich.console import Console

from components.monitoring.rules import alerts
from components.targets.spec import Kubernetes
from ops import docker_exec, inside
from ops.docker_exec import Done
from ops.errors import UserError
from ops.inside import PrometheusContainer, Unreachable, Wget
from ops.inside_pod import PrometheusPod
from ops.prometheus import Prometheus
from ops.status import command
from ops.status.state import ENGINE_SERIES, FIGURES, Status, asked_query, cost_query, state
from ops.status.table import NEARLY_FULL, TOO_MUCH, rendered
from tests.unit.inside_samples import QWEN, Stack, alert, sample, target
from tests.unit.monitoring_rules_fixtures import recorded
from tests.unit.monitoring_rules_queries import labels_of
from tests.unit.monitoring_rules_samples import FACTS
from tests.unit.monitoring_samples import described
from tests.unit.settings_base import GONE, load_changed

pytestmark = pytest.mark.unit

CHAT = {"chat": ("ollama", "qwen")}
NOW = 1_795_755_600.0


def status_of(stack: Stack, engines: dict[str, tuple[str, str]] = CHAT) -> Status:
    asked = Prometheus(stack)
    return state(
        engines,
        asked.query(FIGURES),
        asked.query(cost_query(15)),
        asked.alerts(),
        asked.targets(),
        asked.samples(asked_query(60)),
        NOW,
    )


def shown(status: Status, width: int = 220) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(rendered(status, "dev", "now"))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_a_stack_that_is_well_has_no_problem_and_its_figures_are_shown() -> None:
    status = status_of(Stack())
    assert status.problems == []
    text = shown(status)
    for part in ("up, ready", "qwen", "2, 3", "~250 ms", "700 MiB", "70% of 1000 MiB", "40% left"):
        assert part in text, part
    assert "nothing is broken" in text
    assert "first byte" in text, "what ~ means is said"


def test_no_word_is_broken_in_two_on_a_hundred_columns() -> None:
    stack = Stack()
    for name, value in (
        ("slm:ttft_seconds:p95", 12.5),
        ("slm:tokens_out:rate5m", 12345.6),
        ("slm:kv_cache_ratio", 1.0),
        ("slm:memory_bytes", 11.5 * 2**30),
        ("slm:memory_predicted_bytes", 10.5 * 2**30),
    ):
        stack.set(name, value)
    stack.queries[cost_query(15)] = [sample("", 1234.5, engine="chat")]
    text = shown(status_of(stack, {"chat": ("llamacpp", "qwen2.5-coder-0.5b-instruct")}), width=100)
    for part in ("chat (llamacpp)", "qwen2.5-coder-0.5b-instruct", "up, ready", "12346", "12.5 s", "2, 3", "100%",
                 "11.5 GiB", "110% of 10.5 GiB", "1,234.50"):  # fmt: skip
        assert part in text, f"{part}:\n{text}"


def test_what_an_engine_tells_is_shown_and_a_quantile_of_no_requests_is_nothing() -> None:
    stack = Stack()
    stack.set("slm:ttft_seconds:p95", 0.5)
    stack.set("slm:tokens_out:rate5m", 12.34)
    stack.set("slm:kv_cache_ratio", 0.42)
    stack.queries[cost_query(15)] = [sample("", 1.5, engine="chat")]
    text = shown(status_of(stack))
    for part in ("500 ms", "12.3", "42%", "1.50"):
        assert part in text, part
    assert "~" not in text
    stack.set("slm:ttft_seconds:p95", "NaN")
    assert status_of(stack).engines[0].first_token_seconds is None


def test_the_gateways_mean_of_no_requests_is_nothing() -> None:
    stack = Stack()
    stack.set("slm:first_byte_seconds:mean", 0)
    status = status_of(stack)
    assert status.engines[0].first_byte_seconds is None
    assert "~" not in shown(status)


def test_another_engines_figures_are_not_taken_for_its_own() -> None:
    stack = Stack()
    stack.set("slm:tokens_out:rate5m", 5, engine="other", kind="vllm", model="m")
    assert status_of(stack).engines[0].tokens_per_second is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.set("slm:up", 0), "chat does not answer"),
        (lambda s: setattr(s, "figures", []), "knows nothing of it"),
        (lambda s: s.targets.append(target("loki", "down", "connection refused")), "loki at loki:1 .*refused"),
        (lambda s: s.set("slm:job_described", 1, job="cadvisor"), "asks nobody for the figures of cadvisor"),
        (lambda s: s.alerts.append(alert("DiskFull", "critical")), "DiskFull: DiskFull .of. chat"),
        (lambda s: s.alerts.clear(), "Watchdog does not fire"),
    ],
)
def test_it_is_broken_when(change: Any, said: str) -> None:
    stack = Stack()
    change(stack)
    [problem] = [found for found in status_of(stack).problems if re.search(said, found)]
    assert problem in re.sub(r"\s+", " ", shown(status_of(stack)))


@pytest.mark.parametrize("severity", ["warning", "info"])
def test_a_warning_is_shown_and_breaks_nothing(severity: str) -> None:
    stack = Stack()
    stack.alerts += [alert("TokensSlow", severity), alert("EngineHung", "critical", "pending")]
    status = status_of(stack)
    assert status.problems == []
    text = shown(status)
    assert "TokensSlow [of] chat" in text, "what an alert says is no markup"
    assert "docs/runbooks/TokensSlow.md" in text
    assert "EngineHung" not in text, "it does not fire yet"


def test_alerts_are_shown_the_worst_first_and_without_the_watchdog() -> None:
    stack = Stack()
    stack.alerts += [alert("A", "info"), alert("B", "warning"), alert("C", "critical")]
    assert [found.name for found in status_of(stack).alerts] == ["C", "B", "A"]


def test_a_target_that_was_never_asked_is_neither_up_nor_down() -> None:
    stack = Stack()
    stack.targets.append(target("loki", "unknown"))
    assert status_of(stack).problems == []


def test_an_engine_that_may_sleep_is_not_broken_without_a_copy() -> None:
    stack = Stack()
    for name in ("slm:up", "slm:copies_up", "slm:copies_described", "slm:models_loaded"):
        stack.set(name, 0)
    assert status_of(stack).problems == []
    assert "asleep" in shown(status_of(stack))


def test_only_ollama_may_have_let_its_model_go() -> None:
    stack = Stack()
    stack.set("slm:models_loaded", 0)
    assert status_of(stack).problems == []
    assert "model not in memory" in shown(status_of(stack))
    assert status_of(stack, {"chat": ("vllm", "qwen")}).problems == ["chat has no model in memory"]


def test_of_a_model_that_is_not_in_memory_it_is_said_how_long_ago_that_was() -> None:
    """Right after a deployment Ollama was asked last before it was given the first request."""
    stack = Stack()
    stack.set("slm:models_loaded", 0)
    stack.asked_ollama(60, (NOW - 27, 0), (NOW - 12.4, 0))
    assert "up, idle, model not in memory 12 s ago" in shown(status_of(stack))
    # The rule's series is of the answer before: the newest answer counts.
    stack.asked_ollama(60, (NOW - 16, 0), (NOW - 1, 1))
    assert "up, ready" in shown(status_of(stack))
    stack.asked_ollama(60, (NOW - 1, 0), engine="other")
    assert "not in memory" in shown(status_of(stack))
    assert "ago" not in shown(status_of(stack)).split("alerts", maxsplit=1)[0]


def test_the_age_of_each_key_is_shown_and_of_one_without_a_date_that_it_is_unknown() -> None:
    stack = Stack()
    assert "keys" not in shown(status_of(stack)), "nothing is known of them"
    for key, days in (("key-2", 1.5), ("key-1", 400)):
        stack.figures += [
            sample("slm:key_info", 1, key=key, age="known"),
            sample("slm:key_age_seconds", days * 86400, key=key),
        ]
    stack.figures += [
        sample("slm:key_info", 1, key="webui", age="unknown"),
        sample("slm:key_max_age_seconds", 90 * 86400),
    ]
    status = status_of(stack)
    assert "  keys      key-1 400 days old, key-2 1 day old, webui of unknown age\n" in shown(status)
    assert [key.name for key in status.keys if key.old] == ["key-1"]
    assert status.problems == [], "an alert tells of it, and nothing is broken"


def test_fewer_copies_than_described_are_seen() -> None:
    stack = Stack()
    stack.set("slm:copies_described", 2)
    assert "up, 1 of 2 copies" in shown(status_of(stack))


def test_its_queries_name_what_the_rules_record_and_the_exporters_have() -> None:
    metrics = recorded(FACTS)
    assert {"engine", "kind", "model"} <= labels_of(f'{{__name__=~"{"|".join(ENGINE_SERIES)}"}}', metrics)
    labels_of(FIGURES, metrics)
    assert labels_of(cost_query(15), metrics) == {"engine"}
    assert "engine" in labels_of(f"max_over_time({asked_query(60)})", metrics)


def test_its_colours_begin_where_alerts_do() -> None:
    expressions = {rule.name: rule.expr for rule in alerts()}
    assert f"{TOO_MUCH} * slm:memory_predicted_bytes" in expressions["MemoryAbovePrediction"]
    assert expressions["DiskNearlyFull"].endswith(f"< {NEARLY_FULL}")


def test_every_engine_of_the_file_has_a_row(tmp_path: Path) -> None:
    settings = described(tmp_path)
    found = command.described(settings)
    assert found["vllm"] == ("vllm", "qwen-vllm")
    assert set(found) == set(settings.engines)


def test_one_look_asks_five_questions_and_four_without_an_ollama(tmp_path: Path) -> None:
    stack = Stack()
    settings = described(tmp_path)
    command.look(settings, Prometheus(stack))
    assert len(stack.asked) == 5
    without = {name: engine for name, engine in settings.engines.items() if engine.kind != "ollama"}
    command.look(settings.model_copy(update={"engines": without}), Prometheus(stack))
    assert len(stack.asked) == 5 + 4
    assert any("15d" in url for url in stack.asked), "costs are of as long as figures are kept"


def looks(*found: Any) -> Any:
    """An `ask` that finds these one after the other, and a person who then interrupts."""
    left = list(found)

    def ask() -> Status:
        if not left:
            raise KeyboardInterrupt
        now = left.pop(0)
        if isinstance(now, Exception):
            raise now
        assert isinstance(now, Status)
        return now

    return ask


def test_watching_ends_with_the_code_of_the_last_look() -> None:
    broken = Stack()
    broken.set("slm:up", 0)
    well, ill = status_of(Stack()), status_of(broken)
    gone = Unreachable("nobody [there]", fix="wait")
    console = Console(file=io.StringIO(), width=200)
    for found, code in (((ill, well), 0), ((well, ill), 1), ((well, gone), 1), ((gone, well), 0), ((), 1)):
        assert command.watching(looks(*found), "dev", console, wait=lambda _: None) == code, found
    file = console.file
    assert isinstance(file, io.StringIO)
    assert "nobody [there]" in file.getvalue()


def test_a_stack_without_monitoring_says_so(tmp_path: Path) -> None:
    settings = load_changed({"monitoring": GONE}, tmp_path)
    with pytest.raises(UserError, match="has no monitoring") as error:
        inside.of(settings, "dev")
    assert "slm:monitoring" in error.value.fix


class Client:
    """A Docker engine with one container, which answers a command as told."""

    def __init__(self, code: int = 0, out: bytes = b"", err: bytes = b"") -> None:
        self.done = Done(code, out, err)
        self.ran: list[list[str]] = []
        self.containers = self
        self.error: Exception | None = None

    def get(self, name: str) -> Client:
        assert name == "slm-dev-prometheus"
        if isinstance(self.error, docker.errors.NotFound):
            raise self.error
        return self

    def run(self, command: list[str], *, seconds: float) -> Done:
        """What ops/docker_exec.py does."""
        assert seconds > inside.SECONDS
        if self.error:
            raise self.error
        self.ran.append(command)
        return self.done


@pytest.fixture(autouse=True)
def commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_exec, "run", Client.run)


def container(client: Client) -> Wget:
    made: Any = client
    return Wget(PrometheusContainer(made, "dev"), "dev")


def test_it_asks_with_the_program_that_the_probe_uses() -> None:
    client = Client(out=b'{"status":"success","data":{"alerts":[]}}')
    assert Prometheus(container(client)).alerts() == []
    container(client).post("http://alertmanager:9093/x", "[]")
    assert client.ran[0][0] == "wget"
    assert client.ran[0][-1] == "http://127.0.0.1:9090/api/v1/alerts"
    assert client.ran[1][-3:] == ["--post-data", "[]", "http://alertmanager:9093/x"]


@pytest.mark.parametrize(
    ("client", "error", "said"),
    [
        (Client(), docker.errors.NotFound("no"), "there is no container slm-dev-prometheus"),
        (Client(), docker.errors.APIError("x", explanation="is not running"), "is not running"),
        (Client(), requests.ConnectionError("reset"), "the connection to its Docker engine was cut"),
        (Client(), TimeoutError(), "slm-dev-prometheus says nothing for 30 s"),
        (
            Client(1, b"", b"wget: can't connect\nwget: refused"),
            None,
            "not to be had in Prometheus's container: wget: refused",
        ),
        (Client(1), None, "exit code 1"),
        (Client(0, b"<html>"), None, "not JSON"),
        (Client(0, json.dumps({"status": "error", "error": "parse error"}).encode()), None, "parse error"),
    ],
)
def test_when_nobody_answers_it_says_so(client: Client, error: Exception | None, said: str) -> None:
    client.error = error
    with pytest.raises(Unreachable, match=re.escape(said)) as found:
        Prometheus(container(client)).query("up")
    assert found.value.fix
    assert "query=up" not in str(found.value), "a question may be long"


def test_the_status_as_data_has_its_problems() -> None:
    stack = Stack()
    stack.set("slm:up", 0)
    assert status_of(stack).model_dump()["problems"] == status_of(stack).problems
    assert QWEN["engine"] in status_of(stack).problems[0]


def ended(code: int) -> bytes:
    """What the API server says at the end of a command in a pod."""
    if code == 0:
        return b'{"metadata":{},"status":"Success"}'
    causes = [{"reason": "ExitCode", "message": str(code)}]
    return json.dumps({"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}).encode()


NEVER_RAN = b'{"status":"Failure","reason":"InternalError","message":"error executing it","details":{"causes":[{}]}}'


class Running:
    """A command in a pod that has ended, as the cluster's client gives it; `open_`: one that has not."""

    def __init__(self, how: bytes, out: str, err: str, *, open_: bool) -> None:
        self.how, self.out, self.err, self.open_ = how, out, err, open_
        self.sock = SimpleNamespace(sock=SimpleNamespace(close=lambda: None))

    def run_forever(self, timeout: float) -> None:
        assert timeout > inside.SECONDS

    def is_open(self) -> bool:
        return self.open_

    def read_channel(self, channel: int) -> bytes:
        assert channel == ERROR_CHANNEL
        return self.how

    def read_stdout(self) -> bytes:
        return self.out.encode()

    def read_stderr(self) -> bytes:
        return self.err.encode()


def pod(monkeypatch: pytest.MonkeyPatch, running: Running, *pods: tuple[str, str | None]) -> tuple[Wget, list[Any]]:
    """A way into a cluster that has these pods of Prometheus (name, time of deletion), and what it is asked."""
    asked: list[Any] = []

    class Core:
        connect_get_namespaced_pod_exec = "exec"

        def __init__(self, _api: object) -> None:
            pass

        def list_namespaced_pod(self, namespace: str, **chosen: Any) -> Any:
            asked.append((namespace, chosen["label_selector"]))
            found = [SimpleNamespace(metadata=SimpleNamespace(name=n, deletion_timestamp=at)) for n, at in pods]
            return SimpleNamespace(items=found)

    def stream(what: str, name: str, namespace: str, **more: Any) -> Running:
        assert more["binary"], "text would be broken where an answer is cut"
        asked.append((what, name, namespace, more["container"], more["command"]))
        return running

    @contextmanager
    def connected(*_: object) -> Iterator[Any]:
        yield SimpleNamespace(configuration=SimpleNamespace(retries=None))

    monkeypatch.setattr("kubernetes.config.new_client_from_config", connected)
    monkeypatch.setattr("kubernetes.client.CoreV1Api", Core)
    monkeypatch.setattr("kubernetes.stream.stream", stream)
    return Wget(PrometheusPod(Kubernetes(kubeconfig="/kubeconfig", namespace="own"), "dev"), "dev"), asked


def test_on_a_cluster_it_asks_in_the_pod_that_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = '{"status":"success","data":{"alerts":[]}}'
    way, asked = pod(monkeypatch, Running(ended(0), answer, "", open_=False), ("goes", "2026-11-26"), ("stays", None))
    assert Prometheus(way).alerts() == []
    assert asked[0] == ("own", "app.kubernetes.io/name=prometheus,app.kubernetes.io/instance=dev")
    assert asked[1][:4] == ("exec", "stays", "own", "prometheus")
    assert asked[1][4][-1] == "http://127.0.0.1:9090/api/v1/alerts"


@pytest.mark.parametrize(
    ("running", "pods", "said"),
    [
        (Running(ended(0), "", "", open_=False), (), "no pod app.kubernetes.io/name=prometheus"),
        (Running(b"", "", "", open_=True), (("one", None),), "no answer within"),
        (Running(b"", "half of", "", open_=False), (("one", None),), "the connection to its pod was cut"),
        (Running(NEVER_RAN, "", "", open_=False), (("one", None),), "does not run the command: error executing it"),
        (Running(ended(1), "", "wget: refused", open_=False), (("one", None),), "wget: refused"),
    ],
)
def test_on_a_cluster_that_does_not_answer_it_says_so(
    monkeypatch: pytest.MonkeyPatch, running: Running, pods: tuple[tuple[str, None], ...], said: str
) -> None:
    way, _ = pod(monkeypatch, running, *pods)
    with pytest.raises(Unreachable, match=re.escape(said)):
        Prometheus(way).alerts()


def test_a_cluster_that_cannot_be_reached_is_said_without_a_traceback(tmp_path: Path) -> None:
    way = Wget(PrometheusPod(Kubernetes(kubeconfig=str(tmp_path / "none"), namespace="own"), "dev"), "dev")
    with pytest.raises(Unreachable, match="cluster cannot be asked"):
        Prometheus(way).alerts()
