"""What the gateway writes of a request, and what it writes only when somebody has asked for it and said why."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from components.gateway import render, workload
from components.gateway.errors import REFUSAL_HEADER, refusals
from components.gateway.log import CONTENTS_BYTES, error_log_format, line_bytes, log_format
from components.monitoring.settings import Monitoring
from tests.unit.monitoring_samples import described, planned
from tests.unit.test_gateway_render import IMAGE, local, route

pytestmark = pytest.mark.unit

REASON = "Answers to customers are judged by hand until March 2027 (ticket 4711)."
WANTED = {"time", "id", "key", "model", "path", "to", "status", "tokens_in", "tokens_out", "ttft_ms", "total_ms"}


def as_json(line: str) -> dict[str, object]:
    """A line whose every value is known."""
    numbers = re.sub(r":%\[[^\]]+\]|:%[A-Z][A-Za-z]*", ":1", line)
    found: dict[str, object] = json.loads(re.sub(r"%\[[^\]]+\]|%[a-zA-Z]+", "x", numbers))
    return found


@pytest.mark.parametrize("contents", [False, True])
def test_a_line_is_one_json_object_with_what_the_table_of_the_documents_names(contents: bool) -> None:
    line = as_json(log_format(contents=contents))
    assert line.keys() >= WANTED | {"bytes_in", "bytes_out", "refused", "client"}
    assert ({"prompt", "answer"} <= line.keys()) is contents


def test_a_number_that_is_not_known_is_null_and_no_broken_json() -> None:
    """A variable that was never set is written as a dash, which no number is."""
    bare = re.findall(r":(%\[var\([^\]]*\])", log_format(contents=True))
    assert bare
    assert all(",null)" in value for value in bare)
    assert '"tokens_in":null,' in error_log_format(), "what is no request has no variables at all"
    assert not re.search(r":%\[var", error_log_format())
    assert as_json(error_log_format()).keys() == as_json(log_format(contents=False)).keys()


def test_without_a_reason_no_body_is_read_for_the_log() -> None:
    config = render(local(), [route()])
    for word in ("txn.prompt", "txn.answer", "log stdout len 65535"):
        assert word not in config
        assert word in render(local(), [route()], log_contents=True)


def test_the_longest_line_has_room_for_both_bodies_however_they_are_written() -> None:
    assert line_bytes(contents=True) >= 2 * 6 * CONTENTS_BYTES + line_bytes(contents=False)


def test_contents_need_a_reason_of_some_words() -> None:
    for reason in ("", "because", "x" * 30, "debugging debugging debugging"):
        with pytest.raises(ValidationError):
            Monitoring.model_validate({"target": "laptop", "logs": {"contents": {"reason": reason}}})
    with pytest.raises(ValidationError):
        Monitoring.model_validate({"target": "laptop", "logs": {"contents": True}})


def test_only_the_stack_whose_file_says_why_has_contents_in_its_log(tmp_path: Path) -> None:
    def log_of(monitoring: dict[str, object]) -> str:
        made = planned(described(tmp_path, {"grafana": None} | monitoring))["gateway"].workload
        return made.files[0].content

    assert "txn.prompt" not in log_of({})
    assert "txn.prompt" in log_of({"logs": {"contents": {"reason": REASON}}})


def test_switching_contents_on_is_a_reload_and_no_restart() -> None:
    quiet, telling = (workload(local(), [route()], IMAGE, log_contents=contents) for contents in (False, True))
    assert quiet.model_dump(exclude={"files"}) == telling.model_dump(exclude={"files"})
    assert quiet.files != telling.files


def test_each_refusal_is_named_to_the_log_and_to_no_client() -> None:
    config = render(local(), [route()])
    for refusal in refusals(1, 2, 3, 4, 5).values():
        assert refusal.deny.endswith(f" hdr {REFUSAL_HEADER} {refusal.code}")
        assert REFUSAL_HEADER not in refusal.reply, "HAProxy's own errors do not pass the rule that takes it away"
    taken = config.index(f"http-after-response del-header {REFUSAL_HEADER}")
    assert config.index("http-after-response set-var(txn.refused)") < taken
    assert f"http-response del-header {REFUSAL_HEADER}" in config, "an engine cannot say that it was refused"


def test_a_model_is_logged_only_once_it_is_known_to_be_ours() -> None:
    """Anybody can put a prompt into the field `model`."""
    config = render(local(), [route("a", "x"), route("b", "y")])
    [unknown] = [m.end() for m in re.finditer(r"if post !to_a !to_b", config)]
    assert config.index("set-var(txn.served)") > unknown
    assert "var(txn.model)" not in log_format(contents=False)
