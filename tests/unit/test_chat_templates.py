"""The Jinja chat templates we ship, rendered as the engines render them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jinja2 import StrictUndefined
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from components.models import TEMPLATES

pytestmark = pytest.mark.unit

AREA = {
    "name": "circle_area",
    "description": "Area of a circle, d'après Euler",
    "parameters": {"type": "object", "properties": {"radius": {"type": "number"}}, "required": ["radius"]},
}
TIME = {"name": "time", "description": "Now", "parameters": {"type": "object", "properties": {}}}
TOOLS = [{"type": "function", "function": AREA}, {"type": "function", "function": TIME}]


def render(name: str, messages: list[dict[str, Any]], **more: Any) -> str:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    # The engines' own: without the HTML escapes of Jinja's.
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    given = {"tools": None, "add_generation_prompt": True} | more
    try:
        return environment.from_string((TEMPLATES / f"{name}.jinja").read_text()).render(messages=messages, **given)
    except SecurityError as error:
        pytest.fail(f"the engines' sandbox refuses it: {error}")


def phi(messages: list[dict[str, Any]], **more: Any) -> str:
    # Messages come without the fields that are not set.
    return render("phi4-mini-tools", [{"content": None, "tool_calls": None} | m for m in messages], **more)


def test_phi4_minis_published_form_of_a_chat() -> None:
    text = phi([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])
    assert text == "<|system|>Be brief.<|end|><|user|>Hi<|end|><|assistant|>"


def test_without_system_message_nothing_is_put_before_the_question() -> None:
    assert phi([{"role": "user", "content": "Hi"}]) == "<|user|>Hi<|end|><|assistant|>"


def test_tools_stand_as_one_json_list_between_their_tokens_in_the_system_message() -> None:
    text = phi([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Area, r=5?"}], tools=TOOLS)
    head, tools = text.split("<|tool|>")
    tools, rest = tools.split("<|/tool|>")
    assert head == "<|system|>Be brief."
    assert json.loads(tools) == [AREA, TIME]
    assert "'" in tools
    assert rest == "<|end|><|user|>Area, r=5?<|end|><|assistant|>"


def test_tools_without_a_system_message_get_one() -> None:
    text = phi([{"role": "user", "content": "Hi"}], tools=TOOLS)
    assert text.startswith("<|system|>You are a helpful assistant with some tools.<|tool|>[{")


@pytest.mark.parametrize("arguments", ['{"radius": 5}', {"radius": 5}])
def test_calls_and_their_answers_come_back_in_the_models_own_tokens(arguments: object) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "circle_area", "arguments": arguments}}
    again = {"id": "2", "type": "function", "function": {"name": "time", "arguments": "{}"}}
    text = phi(
        [
            {"role": "user", "content": "Area?"},
            {"role": "assistant", "tool_calls": [call, again]},
            {"role": "tool", "content": "78.5", "tool_call_id": "1"},
        ],
        tools=TOOLS,
    )
    calls = text.split("<|tool_call|>")[1].split("<|/tool_call|>")[0]
    assert json.loads(calls) == [{"name": "circle_area", "arguments": {"radius": 5}}, {"name": "time", "arguments": {}}]
    assert text.endswith("<|/tool_call|><|end|><|tool_response|>78.5<|end|><|assistant|>")


def test_system_messages_anywhere_are_kept_and_developer_is_one() -> None:
    text = phi(
        [
            {"role": "system", "content": "A"},
            {"role": "user", "content": "Hi"},
            {"role": "developer", "content": "B"},
            {"role": "assistant", "content": "Yes"},
        ],
        add_generation_prompt=False,
    )
    assert text == "<|system|>A\nB<|end|><|user|>Hi<|end|><|assistant|>Yes<|end|>"


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.jinja")), ids=lambda path: path.stem)
def test_every_template_renders_an_ordinary_chat(path: Any) -> None:
    messages = [
        {"role": "system", "content": "<sys>", "tool_calls": None},
        {"role": "user", "content": "<ask>", "tool_calls": None},
    ]
    text = render(path.stem, messages)
    assert text.index("<sys>") < text.index("<ask>")
