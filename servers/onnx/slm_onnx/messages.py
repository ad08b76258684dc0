"""The messages of a conversation in OpenAI's form: text and tool calls."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Text = Annotated[str, Field(max_length=1_000_000)]


class Strict(BaseModel):
    """Refuses fields it does not know."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class TextPart(Strict):
    """A part of a message. Only text is understood."""

    type: Literal["text"]
    text: Text


class CalledFunction(Strict):
    """A call the assistant made earlier."""

    name: str
    arguments: str


class ToolCall(Strict):
    """A tool call of an earlier answer."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction
    index: int | None = None


class Message(Strict):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Text | list[TextPart] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None

    @field_validator("content", mode="before")
    @classmethod
    def _only_text(cls, content: Any) -> Any:
        parts = content if isinstance(content, list) else []
        kinds = {str(part.get("type"))[:40] for part in parts if isinstance(part, dict)}
        if other := kinds - {"text"}:
            raise ValueError(f"content: parts of type {min(other)} are not supported, only text is")
        return content

    @model_validator(mode="after")
    def _has_content(self) -> Message:
        if self.content is None and not (self.role == "assistant" and self.tool_calls):
            raise ValueError("content: a message needs text")
        if self.tool_calls and self.role != "assistant":
            raise ValueError("tool_calls: only the assistant calls tools")
        return self

    @property
    def text(self) -> str:
        """All its text."""
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""
