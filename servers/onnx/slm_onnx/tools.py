"""Tool calls: what models write, read back into OpenAI's form."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .text import overlap

OPENINGS = ("<tool_call>", "<|tool_call|>", "functools[", "```json", "```", "{", "[")
"""How an answer begins that may be a tool call: tags (Qwen, Phi), a fence, or bare JSON."""

_TAGGED = re.compile(r"<\|?tool_call\|?>\s*(.*?)\s*(?:<\|?/tool_call\|?>|\Z)", re.DOTALL)
_FENCED = re.compile(r"\A\s*```(?:json|tool_call)?\s*\n?(.*?)\s*```\s*\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Call:
    """A call the model wants made. `arguments` is JSON text."""

    id: str
    name: str
    arguments: str

    def as_openai(self) -> dict[str, Any]:
        """The form of `message.tool_calls`."""
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": self.arguments}}


def parse(text: str, names: Sequence[str]) -> tuple[str, list[Call]]:
    """The text beside the calls, and the calls of tools among `names`; the whole text and none where it is no call."""
    tagged = list(_TAGGED.finditer(text))
    if tagged:
        found = [_calls(match.group(1), names) for match in tagged]
        if all(found):
            beside = _TAGGED.sub("", text).strip()
            return beside, [call for calls in found for call in calls]
        return text, []
    bare = text.strip().removeprefix("functools")
    if (fence := _FENCED.match(bare)) is not None:
        bare = fence.group(1)
    calls = _calls(bare, names)
    return ("", calls) if calls else (text, [])


def _calls(text: str, names: Sequence[str]) -> list[Call]:
    """Calls in JSON: one object, a list of them, or one per line. Empty when anything in it is no call."""
    try:
        found = json.loads(text)
    except ValueError:
        try:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError:
            return []
    items = found if isinstance(found, list) else [found]
    calls = [_call(item, names) for item in items]
    return [call for call in calls if call is not None] if all(calls) else []


def _call(item: Any, names: Sequence[str]) -> Call | None:
    if not isinstance(item, dict):
        return None
    item = item["function"] if isinstance(item.get("function"), dict) else item
    name, arguments = item.get("name"), item.get("arguments", item.get("parameters", {}))
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return None
    if name not in names or not isinstance(arguments, dict):
        return None
    return Call(f"call_{secrets.token_hex(12)}", str(name), json.dumps(arguments, ensure_ascii=False))


def schema(tools: Sequence[dict[str, Any]]) -> str:
    """The JSON Schema of one call of one of `tools`, for a tool choice that leaves no choice."""
    calls = [
        {
            "type": "object",
            "properties": {
                "name": {"const": tool["function"]["name"]},
                "arguments": tool["function"].get("parameters") or {"type": "object"},
            },
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for tool in tools
    ]
    return json.dumps(calls[0] if len(calls) == 1 else {"anyOf": calls})


class CallFilter:
    """Lets text of a streamed answer through, and holds back what is or may become a tool call."""

    def __init__(self) -> None:
        self._held = ""
        self._begun = False
        self._holding = False

    def push(self, text: str) -> str:
        """The text that may go out now."""
        self._held += text
        if self._holding:
            return ""
        if not self._begun:
            start = self._held.lstrip()
            if start.startswith(OPENINGS):
                self._holding = True
                return ""
            if not start or any(opening.startswith(start) for opening in OPENINGS):
                return ""
            self._begun = True
        for tag in OPENINGS[:2]:
            if (at := self._held.find(tag)) >= 0:
                self._holding = True
                out, self._held = self._held[:at], self._held[at:]
                return out
        keep = max(overlap(self._held, tag) for tag in OPENINGS[:2])
        cut = len(self._held) - keep
        out, self._held = self._held[:cut], self._held[cut:]
        return out

    def rest(self, names: Sequence[str]) -> tuple[str, list[Call]]:
        """At the end: the text that was held back and is no call, and the calls."""
        return parse(self._held, names) if self._holding else (self._held, [])
