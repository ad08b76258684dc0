"""Requests of OpenAI's API that this server takes. What is not here is refused by name, never ignored."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StrictInt, model_validator

from .messages import Message, Strict, Text

Unit = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Temperature = Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)]


class StreamOptions(Strict):
    """`include_usage`: a last chunk with the token counts."""

    include_usage: bool = False
    include_obfuscation: Literal[False] = False


class Common(Strict):
    """Fields of both kinds of completion.

    The penalties, `logit_bias`, `logprobs` and further answers (`n`) are not supported: only the value that asks for
    nothing is taken. `user`, `metadata` and their like change nothing in an answer and are not kept.
    """

    model: str = Field(min_length=1, max_length=200)
    max_tokens: int | None = Field(None, ge=1)
    temperature: Temperature | None = None
    top_p: Unit | None = None
    top_k: int | None = Field(None, ge=0, le=1_000_000)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: str | Annotated[list[str], Field(max_length=16)] | None = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: int | None = 1
    frequency_penalty: float | None = 0
    presence_penalty: float | None = 0
    logit_bias: dict[str, float] | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    service_tier: str | None = None

    @model_validator(mode="after")
    def _only_what_is_supported(self) -> Common:
        if self.n not in (None, 1):
            raise ValueError("n: only one answer per request is supported; send the request again for another one")
        for name in ("frequency_penalty", "presence_penalty", "logit_bias"):
            if getattr(self, name):
                raise ValueError(f"{name}: not supported by this server; leave it out")
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options: only for stream: true")
        if "" in self.stops or sum(map(len, self.stops)) > 4096:
            raise ValueError("stop: sequences must not be empty, and 4096 characters together at most")
        return self

    @property
    def stops(self) -> tuple[str, ...]:
        """Stop sequences as a tuple."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def wants_usage(self) -> bool:
        """Whether a streamed answer ends with the token counts."""
        return self.stream_options is not None and self.stream_options.include_usage


class Function(Strict):
    """A tool's description."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Strict):
    """A tool the model may call."""

    type: Literal["function"]
    function: Function


class NamedFunction(Strict):
    """The name of a function."""

    name: str


class NamedTool(Strict):
    """The one tool that has to be called."""

    type: Literal["function"]
    function: NamedFunction


class SchemaFormat(Strict):
    """A JSON Schema with its name."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    description: str | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class ResponseFormat(Strict):
    """The form the answer has to have."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: SchemaFormat | None = None

    @model_validator(mode="after")
    def _belongs_together(self) -> ResponseFormat:
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("json_schema belongs to type json_schema, and only there")
        return self


class ChatRequest(Common):
    """POST /v1/chat/completions."""

    messages: list[Message] = Field(min_length=1, max_length=4096)
    max_completion_tokens: int | None = Field(None, ge=1)
    tools: list[Tool] | None = Field(None, max_length=128)
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    logprobs: Literal[False] | None = None
    top_logprobs: Literal[0] | None = None
    store: Literal[False] | None = None

    @model_validator(mode="after")
    def _fields_agree(self) -> ChatRequest:
        names = [tool.function.name for tool in self.tools or ()]
        if self.max_tokens and self.max_completion_tokens and self.max_tokens != self.max_completion_tokens:
            raise ValueError("max_tokens and max_completion_tokens are two names of one limit: give one of them")
        if self.tool_choice not in (None, "none") and not names:
            raise ValueError("tool_choice: there are no tools to choose from")
        if isinstance(self.tool_choice, NamedTool) and self.tool_choice.function.name not in names:
            raise ValueError(f"tool_choice: there is no tool {self.tool_choice.function.name!r}")
        if len(set(names)) != len(names):
            raise ValueError("tools: two tools have the same name")
        if self.forced_tools and self.wants_json:
            raise ValueError("response_format and a tool choice that forces a call exclude each other")
        return self

    @property
    def usable_tools(self) -> list[dict[str, Any]]:
        """The tools the model is told of."""
        if self.tool_choice == "none":
            return []
        return [tool.model_dump(exclude_none=True) for tool in self.tools or ()]

    @property
    def forced_tools(self) -> list[dict[str, Any]]:
        """The tools of which one has to be called; empty when the model decides."""
        if isinstance(self.tool_choice, NamedTool):
            name = self.tool_choice.function.name
            return [tool for tool in self.usable_tools if tool["function"]["name"] == name]
        return self.usable_tools if self.tool_choice == "required" else []

    @property
    def wants_json(self) -> bool:
        """Whether the answer has to be JSON."""
        return self.response_format is not None and self.response_format.type != "text"


class CompletionRequest(Common):
    """POST /v1/completions. Without `max_tokens` it gives 16, as OpenAI does."""

    prompt: Text | list[Text] | list[StrictInt] | list[list[StrictInt]] = Field(max_length=1_000_000)
    echo: Literal[False] | None = None
    best_of: Literal[1] | None = None
    logprobs: None = None
    suffix: None = None


class ReasoningRequest(Strict):
    """POST /reasoning. `max_length` is the longest answer, in tokens."""

    prompt: Text = Field(min_length=1)
    task_type: Literal["reasoning", "math", "coding"] = "reasoning"
    max_length: int = Field(200, ge=1)
    temperature: Temperature = 0.3


class ReasoningAnswer(BaseModel):
    """The answer of /reasoning. `inference_time` in seconds."""

    generated_text: str
    task_type: str
    inference_time: float
    model: str
