"""What `make smoke` asks each model: the form of an answer must hold, its content where the model is up to it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from components.engines.base import Capability
from ops.smoke.api import Api, ProtocolError, Reply, Stream, check_usage
from ops.smoke.question import ANSWER, QUESTION
from ops.smoke.subjects import Subject

Level = Literal["content", "protocol"]
Verdict = Literal["pass", "fail", "not supported"]
MILLION = 1_000_000

TRAIN = "A train travels 240 km in 3 hours. If it increases its speed by 20 km/h, how long would the same journey take?"
TRAIN_ANSWER = re.compile(r"\b2\.40?\b|\b2\s*(h|hours?)\s*(and\s*)?24\b|\b144\s*min|\b12\s*/\s*5\b")
FIBONACCI = (
    "Write a Python function fibonacci(n) that returns the n-th Fibonacci number using dynamic programming, with"
    " fibonacci(0) == 0 and fibonacci(1) == 1. Include comments explaining the approach."
)
FIBONACCI_CASES = ((0, 0), (1, 1), (2, 1), (3, 2), (10, 55), (40, 102334155))
CIRCLE = "The radius is 5. What is the area of the circle?"
CIRCLE_TOOL = {
    "type": "function",
    "function": {
        "name": "calculate_circle_area",
        "description": "Calculate the area of a circle given its radius",
        "parameters": {"type": "object", "properties": {"radius": {"type": "number"}}, "required": ["radius"]},
    },
}
Runner = Callable[[str], str] | None
"""Runs the code of an answer; says what is wrong with it, or nothing. None where there is no place to run it."""


@dataclass(frozen=True)
class Finding:
    """What came back: whether its content is right (None where a check is about form alone), in words."""

    right: bool | None
    words: str


@dataclass(frozen=True)
class Check:
    """One question. `needs` are the engine's capabilities without which it is not asked; `content` says for which
    models the content of the answer must be right, and not only its form."""

    name: str
    ask: Callable[[Api, Subject, Runner], Finding]
    needs: frozenset[Capability] = frozenset()
    content: Callable[[Subject], bool] = lambda _: False


@dataclass(frozen=True)
class Result:
    """One row of the table."""

    check: str
    verdict: Verdict
    level: Level
    words: str


def run_check(check: Check, api: Api, subject: Subject, runner: Runner) -> Result:
    """Ask, and judge the answer."""
    if lacking := sorted(check.needs - subject.capabilities):
        return Result(check.name, "not supported", "protocol", f"{subject.kind} has no {', '.join(lacking)}")
    level: Level = "content" if check.content(subject) else "protocol"
    try:
        found = check.ask(api, subject, runner)
    except ProtocolError as error:
        return Result(check.name, "fail", "protocol", str(error))
    except httpx.HTTPError as error:
        return Result(check.name, "fail", "protocol", f"no answer: {type(error).__name__} {error}")
    return Result(check.name, "fail" if level == "content" and found.right is False else "pass", level, found.words)


def _body(subject: Subject, question: str, max_tokens: int, **more: Any) -> tuple[str, dict[str, Any]]:
    """The path and body that suit the model: a base model only completes text."""
    body = {"model": subject.model, "temperature": 0, "max_tokens": max_tokens, **more}
    if "seed" in subject.capabilities:
        body["seed"] = 1
    if "chat" in subject.skills:
        return "/chat/completions", body | {"messages": [{"role": "user", "content": question}]}
    return "/completions", body | {"prompt": question}


def _text(reply: Reply) -> str:
    choice = reply.choice()
    text = choice["message"].get("content") if "message" in choice else choice.get("text")
    if not isinstance(text, str):
        raise ProtocolError(f"the answer has no text: {choice}")
    return text.strip()


def _answer(api: Api, subject: Subject, question: str, max_tokens: int) -> str:
    text = _text(api.post(*_body(subject, question, max_tokens)))
    if not text:
        raise ProtocolError("the answer is empty")
    return text


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:28]} … {line[-28:]}"


def arithmetic(api: Api, subject: Subject, _: Runner) -> Finding:
    """A division whose result is one number."""
    text = _answer(api, subject, QUESTION, 64)
    return Finding(re.search(rf"\b{ANSWER}\b", text) is not None, _short(text))


def _reasons(subject: Subject) -> bool:
    return "reasoning" in subject.skills or subject.at_least(3000 * MILLION)


def reasoning(api: Api, subject: Subject, _: Runner) -> Finding:
    """A word problem in two steps."""
    thinks = "reasoning" in subject.skills
    # Where only the form counts, nobody waits for the end of the thought.
    text = _answer(api, subject, TRAIN, 2000 if thinks else 400 if _reasons(subject) else 96)
    return Finding(TRAIN_ANSWER.search(text) is not None, _short(text))


def code(api: Api, subject: Subject, runner: Runner) -> Finding:
    """A function, which is then run."""
    text = _answer(api, subject, FIBONACCI, 400)
    if runner is None:
        return Finding(None, "answered; not run: no Docker engine here")
    wrong = runner(text)
    return Finding(not wrong, wrong or f"ran, {len(FIBONACCI_CASES)} cases right")


def tools(api: Api, subject: Subject, _: Runner) -> Finding:
    """The right function with the right argument."""
    path, body = _body(subject, CIRCLE, 128, tools=[CIRCLE_TOOL])
    if "tool_choice" in subject.capabilities:
        body["tool_choice"] = "required"
    choice = api.post(path, body).choice()
    calls = choice["message"].get("tool_calls") or []
    if not calls:
        return Finding(False, f"no call: {_short(choice['message'].get('content') or '')}")
    function = calls[0]["function"]
    try:
        arguments = json.loads(function["arguments"])
    except (TypeError, ValueError):
        raise ProtocolError(f"the call's arguments are no JSON text: {function['arguments']!r}") from None
    if choice["finish_reason"] != "tool_calls" or not calls[0].get("id"):
        raise ProtocolError(f"a call with finish_reason {choice['finish_reason']} and id {calls[0].get('id')!r}")
    right = function["name"] == CIRCLE_TOOL["function"]["name"] and isinstance(arguments, dict)  # type: ignore[index]
    return Finding(right and arguments.get("radius") == 5, f"{function['name']}({_short(json.dumps(arguments))})")


def streaming(api: Api, subject: Subject, _: Runner) -> Finding:
    """Pieces in order, the reason for the end, the usage, [DONE]."""
    more = {"stream": True, "stream_options": {"include_usage": True}}
    found = api.stream(*_body(subject, "Write the numbers from 1 to 10.", 32, **more))
    pieces = check_stream(found, chat="chat" in subject.skills)
    return Finding(None, f"{pieces} pieces, first after {found.seconds[0]:.2f} s, usage, [DONE]")


def check_stream(found: Stream, *, chat: bool) -> int:
    """The number of pieces with text. Raises ProtocolError for a stream in another order than clients rely on."""
    choices = [event["choices"][0] for event in found.events if event.get("choices")]
    if not choices:
        raise ProtocolError("the stream has no choices")
    if chat and choices[0]["delta"].get("role") != "assistant":
        raise ProtocolError("the first piece does not name the role")
    reasons = [choice.get("finish_reason") for choice in choices]
    if not reasons[-1] or any(reasons[:-1]):
        raise ProtocolError(f"finish_reason is not in the last piece alone: {[r for r in reasons if r]}")
    if not found.done:
        raise ProtocolError("the stream ended without [DONE]")
    usages = [event["usage"] for event in found.events if event.get("usage")]
    check_usage(usages[-1] if usages else None)
    return sum(1 for c in choices if (c["delta"].get("content") if chat else c.get("text")))


def long_prompt(api: Api, subject: Subject, _: Runner) -> Finding:
    """More than the context holds is refused, at once and in words."""
    words = 2 * (subject.context or 0)
    if not words:
        return Finding(None, "the context's length is not known here")
    path, body = _body(subject, "word " * words, 1)
    return Finding(None, _short(api.post(path, body).must_be_refused(400, 413)))


def unknown_model(api: Api, subject: Subject, _: Runner) -> Finding:
    """A model that is not deployed."""
    path, body = _body(subject, "Hello", 1)
    return Finding(None, _short(api.post(path, body | {"model": "no-such-model"}).must_be_refused(404)))


def wrong_key(api: Api, subject: Subject, _: Runner) -> Finding:
    """A key nobody was given."""
    path, body = _body(subject, "Hello", 1)
    return Finding(None, _short(api.post(path, body, key="slm-nobody-was-given-this-key").must_be_refused(401)))


CHAT: frozenset[Capability] = frozenset({"chat"})
CHECKS: tuple[Check, ...] = (
    Check("arithmetic", arithmetic, content=lambda s: "chat" in s.skills and s.at_least(300 * MILLION)),
    Check("reasoning", reasoning, content=_reasons),
    # Smaller models write right code on one processor and wander off on another, whose sums differ in the last bit.
    Check("code that runs", code, CHAT, lambda s: "code" in s.skills and s.at_least(1000 * MILLION)),
    Check("tool call", tools, frozenset({"chat", "tools"}), lambda s: "tools" in s.skills),
    Check("streaming", streaming, frozenset({"streaming"})),
    Check("too long a prompt", long_prompt),
    Check("unknown model", unknown_model),
    Check("wrong key", wrong_key),
)  # fmt: skip
