"""Tool parsers for vLLM, shipped to it as a plugin (--tool-parser-plugin). Runs inside the engine's container only.

vLLM's own parser for Phi-4-mini loses every call of a streamed answer and breaks at a `]` within arguments; and small
Qwen models write calls into a fenced JSON block, which no parser reads. Both formats are an opening word and a JSON
value, so one class reads them: it holds text back from the opening word until the value is complete, and then sends
either the calls or, when it is none, the text itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from vllm.entrypoints.generate.base.protocol import (  # type: ignore[import-not-found]
    DeltaFunctionCall,
    DeltaMessage,
    DeltaToolCall,
    ExtractedToolCallInformation,
    FunctionCall,
    ToolCall,
)
from vllm.renderers.chat_utils import make_tool_call_id  # type: ignore[import-not-found]
from vllm.tool_parsers.abstract_tool_parser import ToolParser, ToolParserManager  # type: ignore[import-not-found]

Call = tuple[str, str]
"""Name and arguments, the latter as JSON text."""

_DECODER = json.JSONDecoder()
_BROKEN_OFF = re.compile(r"(\\?u[0-9a-fA-F]{0,4}|t|tr|tru|f|fa|fal|fals|n|nu|nul|-|\.|[eE][+-]?)?\Z")
"""What may be left when JSON is cut anywhere: nothing, or half an escape, word or number."""


class JsonCalls(ToolParser):  # type: ignore[misc]
    """Calls written as JSON after one of `openers`; `closers` may follow. Subclasses name the format."""

    openers: ClassVar[tuple[str, ...]]
    closers: ClassVar[tuple[str, ...]]
    # vLLM then asks for what is still held back when the answer ends: finish_streaming.
    engine_based_streaming = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._held = ""
        self._calls = 0
        self._after_call = False

    def adjust_request(self, request: Any) -> Any:
        """Keep special tokens in the text: some formats open a call with one."""
        request = super().adjust_request(request)
        if request.tools and request.tool_choice != "none":
            request.skip_special_tokens = False
        return request

    def extract_tool_calls(self, model_output: str, request: Any) -> Any:
        """The calls of a whole answer, and the text around them."""
        text, calls, held = self._read(model_output, _names(request))
        content = (text if self._after_call else text + held).strip()
        return ExtractedToolCallInformation(
            tools_called=bool(calls),
            tool_calls=[ToolCall(type="function", function=FunctionCall(name=n, arguments=a)) for n, a in calls],
            content=content or None if calls else model_output,
        )

    def extract_tool_calls_streaming(
        self,
        previous_text: str,
        current_text: str,
        delta_text: str,
        previous_token_ids: Sequence[int],
        current_token_ids: Sequence[int],
        delta_token_ids: Sequence[int],
        request: Any,
    ) -> Any:
        """What the next piece of an answer adds: text, whole calls, or nothing yet."""
        text, calls, self._held = self._read(self._held + delta_text, _names(request))
        if not text and not calls:
            return None
        started, self._calls = self._calls, self._calls + len(calls)
        return DeltaMessage(
            content=text or None,
            tool_calls=[
                DeltaToolCall(
                    id=make_tool_call_id(),
                    type="function",
                    index=started + number,
                    function=DeltaFunctionCall(name=name, arguments=arguments),
                )
                for number, (name, arguments) in enumerate(calls)
            ],
        )

    def finish_streaming(self) -> Any:
        """The text that was held back and turned out to be none of a call; None when there is none."""
        held, self._held = self._held, ""
        # After a call only the beginning of its closing mark is held back.
        return DeltaMessage(content=held) if held and not self._after_call else None

    def _read(self, text: str, names: set[str]) -> tuple[str, list[Call], str]:
        """Text to send, calls, and the end of the text that could still become a call."""
        sent, calls = "", list[Call]()
        while True:
            if self._after_call:
                text = text.lstrip()
                if not text or any(mark.startswith(text) and mark != text for mark in self.closers):
                    return sent, calls, text
                closer = next((mark for mark in self.closers if text.startswith(mark)), None)
                self._after_call = closer is not None
                text = text[len(closer or "") :]
                continue
            found = min(((at, word) for word in self.openers if (at := text.find(word)) >= 0), default=None)
            if found is None:
                keep = max((n for word in self.openers for n in range(len(word)) if text.endswith(word[:n])), default=0)
                return sent + text[: len(text) - keep], calls, text[len(text) - keep :]
            start, after = found[0], found[0] + len(found[1])
            rest = text[after:].lstrip()
            if not rest or (read := _json(rest)) == "unfinished":
                return sent + text[:start], calls, text[start:]
            if read == "none" or (these := _calls(read[0], names)) is None:
                sent, text = sent + text[:after], text[after:]
            else:
                sent, calls, text = sent + text[:start], calls + these, rest[read[1] :]
                self._after_call = True


class Phi4MiniCalls(JsonCalls):
    """`functools[{"name": ..., "arguments": ...}]`, or the same list after the model's own token for calls."""

    openers = ("functools", "<|tool_call|>")
    closers = ("<|/tool_call|>",)


class FencedCalls(JsonCalls):
    """A JSON object within ```json fences or <tool_call> tags."""

    openers = ("```json", "<tool_call>")
    closers = ("```", "</tool_call>")


def _json(text: str) -> tuple[Any, int] | Literal["unfinished", "none"]:
    """The JSON value at the beginning of `text` and where it ends, or why there is none."""
    try:
        return _DECODER.raw_decode(text)
    except json.JSONDecodeError as error:
        cut = text[0] in "[{" and (error.msg.startswith("Unterminated") or _BROKEN_OFF.fullmatch(text, error.pos))
        return "unfinished" if cut else "none"


def _names(request: Any) -> set[str]:
    tools = getattr(request, "tools", None) or []
    return {str(getattr(getattr(tool, "function", tool), "name", "")) for tool in tools}


def _calls(value: Any, names: set[str]) -> list[Call] | None:
    """The calls a JSON value stands for; None when it is anything else."""
    found = []
    for entry in value if isinstance(value, list) else [value]:
        if not isinstance(entry, dict):
            return None
        call: dict[str, Any] = entry["function"] if isinstance(entry.get("function"), dict) else entry
        arguments = call.get("arguments", call.get("parameters"))
        if call.get("name") not in names or not isinstance(arguments, dict):
            return None
        found.append((str(call["name"]), json.dumps(arguments, ensure_ascii=False)))
    return found or None


ToolParserManager.register_module("phi4_mini_functools", module=Phi4MiniCalls)
ToolParserManager.register_module("fenced_json", module=FencedCalls)
