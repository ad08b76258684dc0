"""Fields of a request that are refused: values no engine should get, and fields its engine takes no notice of.

An engine that ignores a field answers something else than was asked, and nobody hears of it. The gateway reads the
body anyway, so it says so instead.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from components.gateway.errors import Refusal

CHAT = "{ path -m str /v1/chat/completions }"
COMPLETIONS = "{ path -m str /v1/completions }"
BYTES_PER_TOKEN = 8
"""More bytes than this for each token of the context are taken as too long without counting.

Ordinary text has 3 to 5, and JSON that escapes all but ASCII up to 7: less would refuse what fits.
"""


def _value(field: str) -> str:
    return f"req.body,json_query('$.{field}')"


def _there(field: str) -> str:
    return f"{{ {_value(field)} -m found }}"


@dataclass(frozen=True)
class Rule:
    """A refusal of `field` under `condition`, for engines that lack `capability`; for all when empty.

    `condition` is HAProxy's: tests that must all hold, without `or`, so that others can be put before it.
    """

    field: str
    condition: str
    message: str
    capability: str = ""

    @property
    def refusal(self) -> Refusal:
        """What the client reads."""
        code = "unsupported_parameter" if self.capability else "invalid_parameter"
        return Refusal(400, code, self.message, param=self.field)


def _unsupported(capability: str, field: str, condition: str, fix: str) -> Rule:
    return Rule(field, condition, f"The engine of this model does not honour {field}: {fix}", capability)


def _outside(field: str, pattern: str, words: str) -> Rule:
    return Rule(field, f"{_there(field)} !{{ {_value(field)} -m reg '{pattern}' }}", f"{field} must be {words}.")


def _least(field: str) -> Rule:
    return Rule(field, f"{{ {_value(field)} -m int lt 1 }}", f"{field} must be at least 1.")


SMALL = "[0-9.]+e-[0-9]+"
RULES: tuple[Rule, ...] = (
    Rule("messages", f"{CHAT} !{_there('messages[0].role')}", "messages must be a list of messages, each with a role."),
    _outside("temperature", rf"^([01](\.[0-9]+)?|2(\.0+)?|{SMALL})$", "a number from 0 to 2"),
    _outside("top_p", rf"^(0(\.[0-9]+)?|1(\.0+)?|{SMALL})$", "a number from 0 to 1"),
    *(_least(field) for field in ("max_tokens", "max_completion_tokens", "n")),
    _outside("response_format.type", "^(text|json_object|json_schema)$", "text, json_object or json_schema"),
    _unsupported("streaming", "stream", f"{{ {_value('stream')} -m str 1 }}", "leave it out."),
    _unsupported("choices", "n", f"{{ {_value('n')} -m int gt 1 }}", "ask once for each answer."),
    _unsupported("choices", "best_of", f"{{ {_value('best_of')} -m int gt 1 }}", "ask once for each answer."),
    _unsupported(
        "logprobs", "logprobs", f"{_there('logprobs')} !{{ {_value('logprobs')} -m str 0 }} !{COMPLETIONS}", "omit it."
    ),
    _unsupported("completion_logprobs", "logprobs", f"{_there('logprobs')} {COMPLETIONS}", "omit it."),
    # The value is an object, which json_query does not give; within a text the quotes would be escaped.
    _unsupported("logit_bias", "logit_bias", r"""{ req.body -m reg '[{,]\s*"logit_bias"\s*:\s*\{\s*"' }""", "omit it."),
    _unsupported("tools", "tools", _there("tools[0].type"), "ask a model that can call tools."),
    _unsupported(
        "tool_choice",
        "tool_choice",
        f"{_there('tool_choice')} !{{ {_value('tool_choice')} -m str auto }}",
        "only auto is. Leave tools out for none.",
    ),
    _unsupported("tool_choice", "tool_choice", _there("tool_choice.type"), "only auto is. Offer that tool alone."),
    _unsupported(
        "tool_choice", "parallel_tool_calls", f"{{ {_value('parallel_tool_calls')} -m str 0 }}", "expect several calls."
    ),
    _unsupported("functions", "functions", _there("functions[0].name"), "send them as tools."),
    _unsupported(
        "json_schema",
        "response_format",
        f"{_there('response_format.type')} !{{ {_value('response_format.type')} -m str text }}",
        "ask for the form in words.",
    ),
    _unsupported("seed", "seed", _there("seed"), "temperature 0 makes answers repeatable."),
    _unsupported("stop", "stop", _there("stop"), "cut the answer yourself."),
    _unsupported("stop", "stop", _there("stop[0]"), "cut the answer yourself."),
    _unsupported("max_completion_tokens", "max_completion_tokens", _there("max_completion_tokens"), "send max_tokens."),
    _unsupported("echo", "echo", f"{{ {_value('echo')} -m str 1 }}", "put the prompt before the answer yourself."),
    _unsupported(
        "roles",
        "messages",
        r"""{ req.body -m reg '[{,]\s*"role"\s*:\s*"(?!(system|user|assistant|tool)")' }""",
        "a message with another role than system, user, assistant or tool would be dropped; developer is system.",
    ),
)  # fmt: skip


def rules_for(lacks: Collection[str]) -> list[Rule]:
    """The rules of an engine without these capabilities. Rules for all engines are not among them."""
    return [rule for rule in RULES if rule.capability and rule.capability in lacks]


def too_long(tokens: int) -> Refusal:
    """The refusal of a prompt beyond a context of so many tokens."""
    message = f"The prompt does not fit into the context of {tokens} tokens; the engine would drop a part."
    return Refusal(400, "context_length_exceeded", message, param="messages")
