"""The main job on real input: the real Pulumi engine, Docker provider, Docker engine, gateway, engine and model."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import httpx
import openai
import pytest

from ops import docker_exec
from ops.smoke import ANSWER, QUESTION
from ops.verify import RULES, broken_controls
from tests.docker.project import Project

pytestmark = pytest.mark.docker
MODEL = "qwen2.5-coder-0.5b-instruct"


def ask(live: Project, key: str | None, **changes: object):  # type: ignore[no-untyped-def]
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": QUESTION}],
        "temperature": 0,
        "max_tokens": 16,
    }
    return live.request("POST", "/v1/chat/completions", key, json=body | changes)


def current_key(live: Project) -> str:
    return list(live.keys().values())[-1]


def serves(live: Project) -> bool:
    """Whether a question is answered. While the gateway starts, nobody listens."""
    try:
        return bool(ask(live, current_key(live)).status_code == 200)
    except httpx.TransportError:
        return False


def test_up_ends_with_a_real_answer_to_a_real_question(live: Project) -> None:
    assert live.first_up is not None
    for word in (QUESTION, "tokens/s", live.endpoint, "make key", "curl", "from openai import OpenAI"):
        assert word in live.first_up.output
    answer = next(line for line in live.first_up.output.splitlines() if line.strip().startswith("answer"))
    assert answer.split()[1] == ANSWER


def test_up_says_which_source_served_and_records_it(live: Project) -> None:
    assert live.first_up is not None
    recorded = (live.folder / ".slm" / live.stack / f"Pulumi.{live.stack}.yaml").read_text()
    assert "served:" in recorded
    source = next(word for word in ("huggingface", "package") if f"{MODEL}: {word}" in recorded)
    assert f"weights from {source}" in live.first_up.output


def test_without_a_key_401_with_the_key_a_completion_and_management_404(live: Project) -> None:
    assert ask(live, None).status_code == 401
    answer = ask(live, current_key(live))
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"].strip() == ANSWER
    assert live.request("POST", "/api/pull", current_key(live), json={"model": "x"}).status_code == 404


def test_the_printed_openai_snippet_works(live: Project) -> None:
    with openai.OpenAI(base_url=live.endpoint, api_key=current_key(live)) as client:
        assert [model.id for model in client.models.list()] == [MODEL]
        answer = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": QUESTION}], temperature=0, max_tokens=16
        )
    assert (answer.choices[0].message.content or "").strip() == ANSWER


def test_an_unknown_model_is_a_clear_404_that_names_the_deployed_one(live: Project) -> None:
    answer = ask(live, current_key(live), model="gpt-4")
    assert answer.status_code == 404
    assert MODEL in answer.json()["error"]["message"]


def test_nothing_is_left_to_do_right_after_up(live: Project) -> None:
    live.pulumi("preview", "--expect-no-changes").must_succeed()


def test_control_70_make_preview_finds_nothing_in_a_real_stack(live: Project) -> None:
    output = live.ops("preview").must_succeed().output
    assert "✅ slm" in output
    assert "[advisory]" not in output


def test_a_second_up_is_quick_and_replaces_nothing(live: Project) -> None:
    before = {name: c.id for name, c in live.containers(everything=True).items()}
    live.ops("up").must_succeed()
    assert {name: c.id for name, c in live.containers(everything=True).items()} == before


def test_plain_pulumi_works_with_what_make_env_prints(live: Project) -> None:
    done = live.pulumi("up", "--yes", "--skip-preview").must_succeed()
    assert "unchanged" in done.output


def test_git_would_see_no_change_in_the_description(live: Project) -> None:
    text = live.file.read_text()
    assert "encryptionsalt" not in text
    assert "secure" not in text


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"control_{rule.control:02}")
def test_every_running_container_holds(live: Project, rule) -> None:  # type: ignore[no-untyped-def]
    containers = live.containers()
    assert set(containers) == {"chat", "gateway"}, "the check must have its subjects"
    found = [f for c in containers.values() for f in broken_controls(c.attrs) if f.control == rule.control]
    assert found == []


def test_control_02_a_process_cannot_write_outside_its_scratch(live: Project) -> None:
    for container in live.containers().values():
        assert container.exec_run(["touch", "/x"]).exit_code != 0
        assert container.exec_run(["touch", "/etc/slm/x"]).exit_code != 0


def test_control_08_the_pids_limit_is_what_the_engine_asked_for_and_survives_a_restart(live: Project) -> None:
    chat = live.containers()["chat"]
    assert chat.attrs["HostConfig"]["PidsLimit"] == 512
    gateway = live.containers()["gateway"]
    gateway.restart(timeout=5)
    gateway.reload()
    assert gateway.attrs["HostConfig"]["PidsLimit"] == 128
    wait_until(lambda: serves(live))


def test_control_10_the_engine_reaches_nothing_outside(live: Project) -> None:
    chat = live.containers()["chat"]
    for address in ("192.0.2.1/80", "169.254.169.254/80"):
        done = chat.exec_run(["timeout", "3", "bash", "-c", f"exec 3<>/dev/tcp/{address}"])
        assert done.exit_code != 0, f"the engine reached {address}"
    assert set(chat.attrs["NetworkSettings"]["Networks"]) == {f"slm-{live.stack}-internal"}


def test_control_10_the_gateway_has_no_way_out_either(live: Project) -> None:
    gateway = live.containers()["gateway"]
    done = gateway.exec_run(["timeout", "5", "bash", "-c", "exec 3<>/dev/tcp/192.0.2.1/80"])
    assert done.exit_code != 0


def test_control_17_secret_files_belong_to_the_service_alone(live: Project) -> None:
    listed = docker_exec.run(
        live.containers()["gateway"], ["stat", "-c", "%a %u %n", "/etc/slm/keys.map"]
    ).output.decode()
    assert listed.split() == ["400", "10001", "/etc/slm/keys.map"]


def test_no_clear_key_is_inside_any_container(live: Project) -> None:
    key = current_key(live)
    content = docker_exec.run(live.containers()["gateway"], ["cat", "/etc/slm/keys.map"]).output.decode()
    assert key not in content
    assert len(content.split()[0]) == 64, "the file holds digests"


def test_weights_are_read_only_for_the_serving_engine(live: Project) -> None:
    assert live.containers()["chat"].exec_run(["touch", "/models/x"]).exit_code != 0


def test_streaming_arrives_in_pieces(live: Project) -> None:
    with openai.OpenAI(base_url=live.endpoint, api_key=current_key(live)) as client:
        stream = client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "Count from 1 to 20."}],
            max_tokens=48,
            temperature=0,
            stream=True,
        )
        times = [time.monotonic() for event in stream if event.choices and event.choices[0].delta.content]
    assert len(times) > 10
    assert times[-1] - times[0] > 0.05, "all pieces came at once: something buffers"


def test_a_changed_setting_replaces_only_what_it_concerns(live: Project) -> None:
    before = {name: c.id for name, c in live.containers().items()}
    live.change({"slm:gateway": {"limits": {"requests_per_minute": 500}}})
    live.ops("up").must_succeed()
    assert {name: c.id for name, c in live.containers().items()} == before, "a new limit is a reload, not a restart"
    config = docker_exec.run(live.containers()["gateway"], ["cat", "/etc/slm/haproxy.cfg"]).output.decode()
    assert "500" in config


def test_rotating_the_key_replaces_no_container_and_retires_the_old_one(live: Project) -> None:
    before, old = {name: c.id for name, c in live.containers().items()}, current_key(live)
    live.ops("rotate-key").must_succeed()
    new = current_key(live)
    assert new != old
    assert {name: c.id for name, c in live.containers().items()} == before
    assert ask(live, old).status_code == 401
    assert ask(live, new).status_code == 200


def test_a_key_is_not_shown_through_a_pipe(live: Project) -> None:
    done = live.ops("key").must_fail("on a terminal only")
    assert current_key(live) not in done.output


def test_smoke_asks_and_checks(live: Project) -> None:
    done = live.ops("smoke").must_succeed()
    assert ANSWER in done.output


def test_a_container_weakened_by_hand_fails_the_smoke_test(live: Project) -> None:
    chat = live.containers()["chat"]
    chat.update(mem_limit="3g", memswap_limit="6g")
    try:
        live.ops("smoke").must_fail("control 7")
    finally:
        memory = chat.attrs["HostConfig"]["Memory"]
        chat.update(mem_limit=memory, memswap_limit=memory)


def test_outputs_name_the_endpoint_and_the_models(live: Project) -> None:
    outputs = json.loads(live.pulumi("stack", "output", "--json").must_succeed().output)
    assert outputs == {"endpoint": live.endpoint, "models": [MODEL]}


def wait_until(condition: Callable[[], object], seconds: float = 120) -> None:
    """Wait for something that takes a moment; fail when it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.2)
