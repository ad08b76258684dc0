"""Function calling."""

from __future__ import annotations

import json
from typing import Any

from tests.conformance.registry import check
from tests.conformance.target import Target

CIRCLE = "The radius is 5. What is the area of the circle?"
NAME = "calculate_circle_area"
TOOL = {
    "type": "function",
    "function": {
        "name": NAME,
        "description": "Calculate the area of a circle given its radius",
        "parameters": {"type": "object", "properties": {"radius": {"type": "number"}}, "required": ["radius"]},
    },
}


def _is_the_call(message: Any) -> None:
    # Held to calls, a small model may write a second one; the first must be right.
    call = message.tool_calls[0]
    assert call.id
    assert (call.type, call.function.name) == ("function", NAME)
    assert json.loads(call.function.arguments) == {"radius": 5}


@check
def a_tool_may_be_called(target: Target) -> None:
    answer = target.honoured("tools", question=CIRCLE, tools=[TOOL], max_tokens=64)
    if answer is not None and answer.choices[0].message.tool_calls:
        _is_the_call(answer.choices[0].message)
        assert answer.choices[0].finish_reason == "tool_calls"


@check
def a_tool_must_be_called_or_that_is_refused(target: Target) -> None:
    fields = {"tools": [TOOL], "tool_choice": "required", "max_tokens": 64}
    answer = target.honoured("tool_choice", question=CIRCLE, **fields)
    if answer is not None and target.talks:
        _is_the_call(answer.choices[0].message)


@check
def no_tool_is_called_or_that_is_refused(target: Target) -> None:
    fields = {"tools": [TOOL], "tool_choice": "none", "max_tokens": 16}
    answer = target.honoured("tool_choice", question=CIRCLE, **fields)
    if answer is not None:
        assert not answer.choices[0].message.tool_calls


@check
def one_tool_by_name_is_called_or_that_is_refused(target: Target) -> None:
    fields = {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": NAME}}, "max_tokens": 64}
    answer = target.honoured("tool_choice", question=CIRCLE, **fields)
    if answer is not None and target.talks:
        call = (answer.choices[0].message.tool_calls or [])[0]
        assert call.type == "function"
        assert call.function.name == NAME


@check
def a_tools_answer_is_used(target: Target) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": NAME, "arguments": '{"radius": 5}'}}
    messages = [
        {"role": "user", "content": CIRCLE},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"area": 78.54}'},
    ]
    answer = target.honoured("tools", messages=messages, tools=[TOOL], max_tokens=48)
    if answer is not None and target.talks:
        assert "78.5" in (answer.choices[0].message.content or "")


@check
def a_streamed_call_is_that_of_one_piece(target: Target) -> None:
    if "tools" not in target.capabilities:
        return
    whole = target.chat(CIRCLE, tools=[TOOL], max_tokens=64).choices[0].message
    chunks = target.pieces(CIRCLE, tools=[TOOL], max_tokens=64)
    deltas = [c.choices[0].delta for c in chunks if c.choices]
    calls = [call for delta in deltas for call in delta.tool_calls or []]
    if whole.tool_calls:
        assert "".join(call.function.name or "" for call in calls) == NAME
        assert json.loads("".join(call.function.arguments or "" for call in calls)) == {"radius": 5}
        assert chunks[-1].choices[0].finish_reason == "tool_calls"
    else:
        assert not calls
        assert "".join(delta.content or "" for delta in deltas) == whole.content
