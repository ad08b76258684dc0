"""Our tool parsers' reading of answers, with stand-ins for the classes of vLLM that they fill.

That they fit into the real vLLM is tests/docker/test_engine_vllm_command_line.py and test_engine_vllm_container.py.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.engines.vllm_files import HERE

pytestmark = pytest.mark.unit

REQUEST = SimpleNamespace(
    tools=[SimpleNamespace(function=SimpleNamespace(name=n)) for n in ("area", "time")], tool_choice="auto"
)


class _Base:
    def __init__(self, *args: Any) -> None:
        del args

    def adjust_request(self, request: Any) -> Any:
        return request


def _plugin() -> ModuleType:
    names = ("DeltaFunctionCall", "DeltaMessage", "DeltaToolCall", "ExtractedToolCallInformation", "FunctionCall")
    protocol = {name: SimpleNamespace for name in (*names, "ToolCall")}
    manager = SimpleNamespace(register_module=lambda name, module: None)
    modules: dict[str, dict[str, Any]] = {
        "vllm": {},
        "vllm.entrypoints": {},
        "vllm.entrypoints.generate": {},
        "vllm.entrypoints.generate.base": {},
        "vllm.entrypoints.generate.base.protocol": protocol,
        "vllm.renderers": {},
        "vllm.renderers.chat_utils": {"make_tool_call_id": lambda: "id"},
        "vllm.tool_parsers": {},
        "vllm.tool_parsers.abstract_tool_parser": {"ToolParser": _Base, "ToolParserManager": manager},
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, content in modules.items():
            module = ModuleType(name)
            vars(module).update(content)
            patch.setitem(sys.modules, name, module)
        spec = importlib.util.spec_from_file_location("shipped", HERE / "vllm_tool_parsers.py")
        assert spec is not None
        assert spec.loader is not None
        plugin = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(plugin)
    return plugin


PLUGIN = _plugin()
PHI: Callable[[], Any] = PLUGIN.Phi4MiniCalls
FENCED: Callable[[], Any] = PLUGIN.FencedCalls
Found = tuple[str, list[tuple[str, Any]]]


def whole(parser: Callable[[], Any], text: str) -> Found:
    found = parser().extract_tool_calls(text, REQUEST)
    return found.content or "", [(c.function.name, json.loads(c.function.arguments)) for c in found.tool_calls]


def streamed(parser: Callable[[], Any], pieces: list[str]) -> Found:
    reader, text, calls = parser(), "", list[tuple[str, Any]]()
    for piece in pieces:
        delta = reader.extract_tool_calls_streaming("", "", piece, [], [], [], REQUEST)
        if delta:
            assert [c.index for c in delta.tool_calls] == list(range(len(calls), len(calls) + len(delta.tool_calls)))
            text += delta.content or ""
            calls += [(c.function.name, json.loads(c.function.arguments)) for c in delta.tool_calls]
    rest = reader.finish_streaming()
    return text + (rest.content if rest else ""), calls


ONE = '{"name": "area", "arguments": {"radius": 5}}'
OTHER = '{"name": "rm", "arguments": {}}'
TAGS = f"<tool_call>{ONE}</tool_call>"
ANSWERS: tuple[tuple[str, Callable[[], Any], str, Found], ...] = (
    ("a list after the word", PHI, f"functools[{ONE}]", ("", [("area", {"radius": 5})])),
    ("the model's own tokens", PHI, f"<|tool_call|>[{ONE}]<|/tool_call|>", ("", [("area", {"radius": 5})])),
    (
        "two calls",
        PHI,
        f'functools[{ONE}, {{"name": "time", "parameters": {{}}}}]',
        ("", [("area", {"radius": 5}), ("time", {})]),
    ),
    (
        "brackets in arguments",
        PHI,
        'functools[{"name": "area", "arguments": {"a": [1, "]"], "b": "x}]"}}]',
        ("", [("area", {"a": [1, "]"], "b": "x}]"})]),
    ),
    ("text before", PHI, f"Sure. functools[{ONE}]", ("Sure.", [("area", {"radius": 5})])),
    ("code", PHI, "functools.reduce(f, [1])", ("functools.reduce(f, [1])", [])),
    ("no JSON", PHI, "functools[1:x] and on", ("functools[1:x] and on", [])),
    ("a tool nobody offered", PHI, f"functools[{OTHER}]", (f"functools[{OTHER}]", [])),
    ("cut off", PHI, 'functools[{"name": "area", "argum', ('functools[{"name": "area", "argum', [])),
    ("the word at the end", PHI, "use functools", ("use functools", [])),
    ("a fence", FENCED, f"```json\n{ONE}\n```", ("", [("area", {"radius": 5})])),
    ("tags", FENCED, f"<tool_call>\n{ONE}\n</tool_call>", ("", [("area", {"radius": 5})])),
    ("two tags", FENCED, f"{TAGS}\n{TAGS}", ("", [("area", {"radius": 5})] * 2)),
    ("OpenAI's form", FENCED, f'```json\n{{"function": {ONE}}}\n```', ("", [("area", {"radius": 5})])),
    ("other JSON", FENCED, 'So:\n```json\n{"a": 1}\n```\nDone.', ('So:\n```json\n{"a": 1}\n```\nDone.', [])),
    ("other code", FENCED, "```python\nprint(1)\n```", ("```python\nprint(1)\n```", [])),
    ("text after", FENCED, f"```json\n{ONE}\n```\nDone.", ("Done.", [("area", {"radius": 5})])),
)  # fmt: skip


@pytest.mark.parametrize(("parser", "answer", "found"), [a[1:] for a in ANSWERS], ids=[a[0] for a in ANSWERS])
def test_an_answer_is_read_the_same_whole_and_letter_by_letter(
    parser: Callable[[], Any], answer: str, found: Found
) -> None:
    assert whole(parser, answer) == found
    text, calls = streamed(parser, list(answer))
    assert (text.strip(), calls) == found
    text, calls = streamed(parser, [answer])
    assert (text.strip(), calls) == found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, derandomize=True)
@given(arguments=st.dictionaries(st.text(), JSON, max_size=3), cuts=st.lists(st.integers(1, 9), max_size=30))
@pytest.mark.parametrize("parser", [PHI, FENCED], ids=["phi", "fenced"])
def test_any_arguments_survive_any_cutting(
    parser: Callable[[], Any], arguments: dict[str, Any], cuts: list[int]
) -> None:
    call = json.dumps({"name": "area", "arguments": arguments})
    answer = f"functools[{call}]" if parser is PHI else f"```json\n{call}\n```"
    pieces = []
    for cut in cuts:
        pieces, answer = [*pieces, answer[:cut]], answer[cut:]
    assert streamed(parser, [*pieces, answer]) == ("", [("area", arguments)])


@settings(deadline=None, derandomize=True)
@given(text=st.text(alphabet='`jsonfuctl<_>a[]{}:"1 \n,'), cuts=st.lists(st.integers(1, 5), max_size=20))
@pytest.mark.parametrize("parser", [PHI, FENCED], ids=["phi", "fenced"])
def test_text_without_calls_is_never_changed(parser: Callable[[], Any], text: str, cuts: list[int]) -> None:
    pieces, rest = [], text
    for cut in cuts:
        pieces, rest = [*pieces, rest[:cut]], rest[cut:]
    assert streamed(parser, [*pieces, rest]) == (text, [])
