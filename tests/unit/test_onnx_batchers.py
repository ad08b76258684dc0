"""Both batchers on a real graph: what one request gets does not depend on who else is there."""

from __future__ import annotations

import json
from collections.abc import Hashable

import numpy as np
import onnxruntime_genai as og
import pytest

from servers.onnx.slm_onnx import folder
from servers.onnx.slm_onnx.generation import Refused, Sampling
from servers.onnx.slm_onnx.library import LibraryBatcher
from servers.onnx.slm_onnx.slots import SlotBatcher
from tests.unit.onnx_harness import TINY, finish, work

pytestmark = pytest.mark.unit

PROMPTS = [range(10, 40), range(50, 57), range(100, 101), range(60, 150), range(10, 30)]
NAME_SCHEMA = '{"type":"object","properties":{"a":{"enum":["x","y"]}},"required":["a"],"additionalProperties":false}'


def slots(**changes: object) -> SlotBatcher:
    told = {"parallel": 3, "context_length": 256, "threads": 1, "chunk": 16, "prefix_cache": True}
    return SlotBatcher(folder.read(TINY), **(told | changes))


def library(**changes: object) -> LibraryBatcher:
    told = {"provider": "cpu", "parallel": 4, "context_length": 256, "threads": 1}
    return LibraryBatcher(folder.read(TINY), **(told | changes))


@pytest.fixture(scope="module")
def reference() -> list[list[int]]:
    """What the library's plain generator gives for each prompt, without its end token."""
    model = og.Model(str(TINY))
    out = []
    for prompt in PROMPTS:
        parameters = og.GeneratorParams(model)
        parameters.set_search_options(max_length=len(prompt) + 12, do_sample=False)
        generator = og.Generator(model, parameters)
        generator.append_tokens(np.array(list(prompt), dtype=np.int32))
        tokens: list[int] = []
        while not generator.is_done():
            generator.generate_next_token()
            tokens.append(int(generator.get_next_tokens()[0]))
        out.append([token for token in tokens if token != 2])
    return out


@pytest.mark.parametrize("make", [slots, library])
def test_alone_it_gives_what_the_plain_generator_gives(make: object, reference: list[list[int]]) -> None:
    batcher = make()
    for index, prompt in enumerate(PROMPTS):
        batcher.admit(index, work(prompt))
        assert finish(batcher, [index])[index][0] == reference[index]


def test_joining_and_leaving_changes_nobodys_answer(reference: list[list[int]]) -> None:
    batcher = slots()
    out: dict[Hashable, list[int]] = {index: [] for index in range(len(PROMPTS))}
    waiting, running = list(out), set()
    for _ in range(500):
        while waiting and batcher.has_room():
            running.add(waiting[0])
            batcher.admit(waiting[0], work(PROMPTS[waiting.pop(0)]))
        for step in batcher.step():
            out[step.key] += [step.token] if step.token is not None else []
            if step.finish:
                batcher.release(step.key)
                running.discard(step.key)
        if not waiting and not running:
            break
    assert [out[index] for index in range(len(PROMPTS))] == reference
    assert batcher.kv_used_tokens() == 0


def test_a_place_is_free_as_soon_as_its_request_is_released(reference: list[list[int]]) -> None:
    batcher = slots()
    for index in (0, 1, 3):
        batcher.admit(index, work(PROMPTS[index]))
    for _ in range(4):
        batcher.step()
    assert not batcher.has_room()
    batcher.release(0)
    batcher.release(3)
    assert batcher.has_room()
    batcher.admit(4, work(PROMPTS[4]))
    assert finish(batcher, [4])[4][0] == reference[4]


def test_a_prompt_that_begins_alike_is_read_once(reference: list[list[int]]) -> None:
    batcher = slots()
    assert batcher.admit("a", work(PROMPTS[0])) == 0
    finish(batcher, ["a"])
    assert batcher.admit("b", work(PROMPTS[0])) == len(PROMPTS[0]) - 1
    assert finish(batcher, ["b"])["b"][0] == reference[0]
    assert batcher.admit("c", work(PROMPTS[4])) == len(PROMPTS[4]) - 1
    assert finish(batcher, ["c"])["c"][0] == reference[4]
    assert slots(prefix_cache=False).admit("d", work(PROMPTS[0])) == 0


def test_without_the_prefix_cache_nothing_is_shared(reference: list[list[int]]) -> None:
    batcher = slots(prefix_cache=False, parallel=1)
    for key in ("a", "b"):
        assert batcher.admit(key, work(PROMPTS[0])) == 0
        assert finish(batcher, [key])[key][0] == reference[0]


def test_others_get_tokens_while_a_long_prompt_is_read() -> None:
    batcher = slots(chunk=64)
    batcher.admit("short", work(PROMPTS[1], max_tokens=100))
    batcher.step()
    batcher.admit("long", work(range(3, 203)))
    between = 0
    while "long" not in (keys := [step.key for step in batcher.step()]):
        between += keys.count("short")
    assert between >= 15


def test_the_context_ends_an_answer() -> None:
    batcher = slots(context_length=48)
    batcher.admit("a", work(range(10, 50), max_tokens=100))
    tokens, end = finish(batcher, ["a"])["a"]
    assert (len(tokens), end) == (8, "length")


def test_a_seed_repeats_an_answer_whoever_else_is_there() -> None:
    batcher = slots()
    sampling = Sampling(temperature=1.5, seed=11)
    batcher.admit("a", work(PROMPTS[1], sampling=sampling))
    alone = finish(batcher, ["a"])["a"][0]
    for key in ("b", "c"):
        batcher.admit(key, work(PROMPTS[1], sampling=sampling if key == "b" else Sampling(temperature=1.5, seed=12)))
    both = finish(batcher, ["b", "c"])
    assert both["b"][0] == alone != both["c"][0]


@pytest.mark.parametrize("make", [slots, library])
def test_an_answer_follows_a_schema(make: object) -> None:
    batcher = make()
    batcher.admit("a", work(PROMPTS[0], max_tokens=60, schema=NAME_SCHEMA))
    tokens, end = finish(batcher, ["a"])["a"]
    text = og.Tokenizer(str(TINY)).decode(np.array(tokens, dtype=np.int32))
    assert json.loads(text)["a"] in ("x", "y")
    assert end == "stop"


@pytest.mark.parametrize("make", [slots, library])
def test_a_schema_that_makes_no_sense_is_refused_and_others_go_on(make: object) -> None:
    batcher = make()
    with pytest.raises(Refused):
        batcher.admit("a", work(PROMPTS[0], schema='{"type": "nonsense"}'))
    batcher.admit("b", work(PROMPTS[1]))
    assert finish(batcher, ["b"])["b"][1] in ("length", "stop")


def test_the_library_batches_several_and_cancels_one(reference: list[list[int]]) -> None:
    batcher = library()
    for index in (0, 1, 3):
        batcher.admit(index, work(PROMPTS[index]))
    first = {step.key: [step.token] for step in batcher.step()}
    assert set(first) == {0, 1, 3}
    batcher.release(1)
    out = finish(batcher, [0, 3])
    assert [first[key] + out[key][0] for key in (0, 3)] == [reference[0], reference[3]]
    assert "seed" not in batcher.features
