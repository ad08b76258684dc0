"""Tool calls in the forms that models write them in."""

from __future__ import annotations

import json

import pytest

from servers.onnx.slm_onnx import tools

pytestmark = pytest.mark.unit

CALL = '{"name": "area", "arguments": {"radius": 5}}'


@pytest.mark.parametrize(
    "text",
    [
        CALL,
        f"```json\n{CALL}\n```",
        f"```\n{CALL}\n```",
        f"<tool_call>\n{CALL}\n</tool_call>",
        f"<tool_call>{CALL}",
        f"<|tool_call|>[{CALL}]<|/tool_call|>",
        f"functools[{CALL}]",
        '{"name": "area", "parameters": {"radius": 5}}',
        '{"name": "area", "arguments": "{\\"radius\\": 5}"}',
        '{"type": "function", "function": {"name": "area", "arguments": {"radius": 5}}}',
    ],
)
def test_one_call_in_every_form(text: str) -> None:
    beside, calls = tools.parse(text, ["area"])
    assert beside == ""
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [("area", {"radius": 5})]


@pytest.mark.parametrize(
    "text",
    [f"<tool_call>{CALL}</tool_call>\n<tool_call>{CALL}</tool_call>", f"[{CALL}, {CALL}]", f"{CALL}\n{CALL}"],
)
def test_several_calls_have_ids_of_their_own(text: str) -> None:
    _, calls = tools.parse(text, ["area"])
    assert len({call.id for call in calls}) == 2


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "other", "arguments": {}}',
        '{"name": "area", "arguments": [1]}',
        '{"radius": 5}',
        "[]",
        "{not json}",
        "Use it like this: ```json\n" + CALL + "\n``` and so on",
        f"<tool_call>{CALL}</tool_call><tool_call>broken</tool_call>",
        "area(5)",
        "",
    ],
)
def test_what_is_no_call_stays_text(text: str) -> None:
    assert tools.parse(text, ["area"]) == (text, [])


def test_text_beside_a_tagged_call_is_kept() -> None:
    beside, calls = tools.parse(f"I will look.\n<tool_call>{CALL}</tool_call>", ["area"])
    assert (beside, len(calls)) == ("I will look.", 1)


def test_the_schema_of_a_forced_call_names_the_tool_and_its_arguments() -> None:
    parameters = {"type": "object", "properties": {"radius": {"type": "number"}}, "required": ["radius"]}
    described = [{"type": "function", "function": {"name": "area", "parameters": parameters}}]
    one = json.loads(tools.schema(described))
    assert one["properties"] == {"name": {"const": "area"}, "arguments": parameters}
    assert len(json.loads(tools.schema(described * 2))["anyOf"]) == 2
