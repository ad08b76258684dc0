"""Models, chats and completions in one piece."""

from __future__ import annotations

import openai
import pytest

from tests.conformance.registry import check
from tests.conformance.target import COUNT, Target


@check
def models_are_listed(target: Target) -> None:
    found = {model.id: model for model in target.client.models.list()}
    assert target.model in found
    assert found[target.model].object == "model"


@check
def a_model_is_shown(target: Target) -> None:
    assert target.client.models.retrieve(target.model).id == target.model


@check
def a_model_that_is_not_there_is_not_shown(target: Target) -> None:
    with pytest.raises(openai.NotFoundError):
        target.client.models.retrieve("no-such-model")


@check
def a_chat_is_answered_in_full(target: Target) -> None:
    answer = target.chat("What is 240 divided by 3? Answer with the number only.")
    assert (answer.object, answer.model) == ("chat.completion", target.model)
    assert answer.id
    assert answer.created > 1_700_000_000
    (choice,) = answer.choices
    assert (choice.index, choice.message.role, choice.finish_reason) == (0, "assistant", "stop")
    assert choice.message.content
    if target.talks:
        assert "80" in choice.message.content


@check
def usage_adds_up_and_repeats(target: Target) -> None:
    first, second = target.chat(COUNT).usage, target.chat(COUNT).usage
    assert first
    assert second
    assert first.prompt_tokens > 0
    assert 0 < first.completion_tokens <= 12
    assert first.total_tokens == first.prompt_tokens + first.completion_tokens
    assert second.prompt_tokens == first.prompt_tokens, "a cache must not change what is counted"


@check
def a_system_prompt_is_part_of_the_prompt(target: Target) -> None:
    def tokens(text: str) -> int:
        messages = [{"role": "system", "content": text}, *target.body()["messages"]]
        usage = target.chat(messages=messages, max_tokens=1).usage
        assert usage
        return usage.prompt_tokens

    brief, long = tokens("Be brief."), tokens("Be brief. You speak French and German, and never any other language.")
    assert brief < long
    assert tokens("Be brief.") == brief


@check
def earlier_turns_are_remembered(target: Target) -> None:
    turns = [
        {"role": "user", "content": "My name is Ada."},
        {"role": "assistant", "content": "Hello Ada!"},
        {"role": "user", "content": "What is my name?"},
    ]
    answer, alone = target.chat(messages=turns), target.chat(messages=turns[-1:])
    assert answer.usage
    assert alone.usage
    assert answer.usage.prompt_tokens > alone.usage.prompt_tokens
    if target.talks:
        assert "Ada" in (answer.choices[0].message.content or "")


@check
def text_is_completed(target: Target) -> None:
    answer = target.client.completions.create(model=target.model, prompt="1, 2, 3, 4,", max_tokens=8, temperature=0)
    assert (answer.object, answer.model) == ("text_completion", target.model)
    (choice,) = answer.choices
    assert choice.text
    assert choice.finish_reason in ("stop", "length")
    assert answer.usage
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


@check
def content_in_parts_is_the_same_as_text(target: Target) -> None:
    parts = [{"role": "user", "content": [{"type": "text", "text": COUNT}]}]
    whole, pieces = target.chat(COUNT), target.chat(messages=parts)
    assert whole.usage
    assert pieces.usage
    assert pieces.usage.prompt_tokens == whole.usage.prompt_tokens


@check
def empty_content_is_answered_or_refused(target: Target) -> None:
    try:
        answer = target.chat("")
    except openai.BadRequestError:
        return
    assert answer.usage


@check
def fields_that_are_null_count_as_left_out(target: Target) -> None:
    names = ("stop", "tools", "tool_choice", "response_format", "seed", "n", "logprobs", "logit_bias", "top_p", "user")
    assert target.text(COUNT, **dict.fromkeys(names)) == target.text(COUNT)
