"""Fields that change an answer: honoured, or refused where the engine does not declare them."""

from __future__ import annotations

import json

from tests.conformance.registry import check
from tests.conformance.target import COUNT, Target

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
    "required": ["city", "country"],
    "additionalProperties": False,
}


def _middle(target: Target) -> tuple[str, str]:
    """An answer, and a piece from its middle that can stop it."""
    text = target.text(COUNT, max_tokens=24)
    half = len(text) // 2
    return text, text[half : half + 1]


@check
def a_stop_text_ends_the_answer_before_it(target: Target) -> None:
    text, stop = _middle(target)
    answer = target.honoured("stop", question=COUNT, stop=stop, max_tokens=24)
    if answer is not None:
        assert answer.choices[0].message.content == text.split(stop, 1)[0]
        assert answer.choices[0].finish_reason == "stop"


@check
def any_of_several_stop_texts_ends_the_answer(target: Target) -> None:
    text, stop = _middle(target)
    answer = target.honoured("stop", question=COUNT, stop=["\x01never", stop], max_tokens=24)
    if answer is not None:
        assert answer.choices[0].message.content == text.split(stop, 1)[0]


@check
def a_stop_text_does_not_leak_into_a_stream(target: Target) -> None:
    text, stop = _middle(target)
    if "stop" in target.capabilities:
        chunks = target.pieces(COUNT, stop=[stop], max_tokens=24)
        assert "".join(c.choices[0].delta.content or "" for c in chunks) == text.split(stop, 1)[0]


@check
def max_tokens_cuts_and_says_so(target: Target) -> None:
    answer = target.chat(COUNT, max_tokens=1)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage
    assert answer.usage.completion_tokens == 1


@check
def max_completion_tokens_cuts_or_is_refused(target: Target) -> None:
    fields = {"max_tokens": ..., "max_completion_tokens": 1}
    answer = target.honoured("max_completion_tokens", question=COUNT, **fields)
    if answer is not None:
        assert answer.choices[0].finish_reason == "length"
        assert answer.usage
        assert answer.usage.completion_tokens == 1


@check
def temperature_zero_repeats(target: Target) -> None:
    assert len({target.text(COUNT) for _ in range(3)}) == 1


@check
def a_seed_repeats(target: Target) -> None:
    fields = {"question": "Write a short poem.", "temperature": 1, "seed": 7}
    first = target.honoured("seed", **fields)
    if first is not None:
        assert target.chat(**fields).choices[0].message.content == first.choices[0].message.content


@check
def several_choices_are_given_or_refused(target: Target) -> None:
    answer = target.honoured("choices", n=2, temperature=1, max_tokens=4)
    if answer is not None:
        assert [choice.index for choice in answer.choices] == [0, 1]


@check
def log_probabilities_are_given_or_refused(target: Target) -> None:
    answer = target.honoured("logprobs", logprobs=True, top_logprobs=2, max_tokens=2)
    if answer is not None:
        logprobs = answer.choices[0].logprobs
        assert logprobs
        assert logprobs.content
        assert all(token.logprob <= 0 for token in logprobs.content)
        assert len(logprobs.content[0].top_logprobs) == 2


@check
def log_probabilities_of_completions_are_given_or_refused(target: Target) -> None:
    asked = {"model": target.model, "prompt": "1, 2, 3,", "max_tokens": 2, "temperature": 0, "logprobs": 1}
    answer = target.answer_or_refusal("completion_logprobs", lambda: target.client.completions.create(**asked))
    if answer is not None:
        assert answer.choices[0].logprobs.token_logprobs


@check
def a_bias_is_honoured_or_refused(target: Target) -> None:
    # In the order of every byte-level vocabulary the digits are among the first.
    fields = {"question": COUNT, "max_tokens": 24, "logit_bias": {str(token): -100 for token in range(200)}}
    answer = target.honoured("logit_bias", **fields)
    if answer is not None:
        assert answer.choices[0].message.content != target.text(COUNT, max_tokens=24)


@check
def an_echo_is_given_or_refused(target: Target) -> None:
    asked = {"model": target.model, "prompt": "1, 2, 3,", "max_tokens": 2, "temperature": 0, "echo": True}
    answer = target.answer_or_refusal("echo", lambda: target.client.completions.create(**asked))
    if answer is not None:
        assert answer.choices[0].text.startswith("1, 2, 3,")


@check
def a_developer_message_is_honoured_or_refused(target: Target) -> None:
    plain = target.chat().usage
    messages = [{"role": "developer", "content": "You only speak French."}, *target.body()["messages"]]
    answer = target.honoured("roles", messages=messages)
    if answer is not None:
        assert plain
        assert answer.usage
        assert answer.usage.prompt_tokens != plain.prompt_tokens, "it was dropped"


@check
def functions_of_the_old_kind_are_honoured_or_refused(target: Target) -> None:
    target.honoured("functions", functions=[{"name": "now", "parameters": {"type": "object", "properties": {}}}])


@check
def a_json_schema_is_kept_or_refused(target: Target) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "city", "strict": True, "schema": CITY}}
    asked = {"question": "What is the capital of France? Answer as JSON.", "max_tokens": 40}
    answer = target.honoured("json_schema", response_format=form, **asked)
    # A model without a vocabulary to speak of cannot write JSON, whatever it is held to.
    if answer is not None and target.talks:
        found = json.loads(answer.choices[0].message.content or "")
        assert set(found) == {"city", "country"}
        assert all(isinstance(value, str) for value in found.values())
        assert "Paris" in found["city"]


@check
def a_json_object_is_one_or_refused(target: Target) -> None:
    asked = {"question": "What is the capital of France? Answer as a short JSON object.", "max_tokens": 40}
    answer = target.honoured("json_schema", response_format={"type": "json_object"}, **asked)
    if answer is not None and target.talks:
        assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)
