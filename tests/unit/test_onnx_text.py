"""Stop sequences and held-back tool calls in streams: what goes out does not depend on how the text arrives."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.onnx.slm_onnx.text import StopFilter
from servers.onnx.slm_onnx.tools import CallFilter

pytestmark = pytest.mark.unit

PIECES = st.lists(st.text("abc<>\n", max_size=4), max_size=12)


@given(PIECES, st.lists(st.text("abc<", min_size=1, max_size=3), min_size=1, max_size=3))
def test_text_ends_before_the_first_stop_however_it_is_cut(pieces: list[str], stops: list[str]) -> None:
    whole = "".join(pieces)
    found = [at for stop in stops if (at := whole.find(stop)) >= 0]
    filtered, out, met = StopFilter(tuple(stops)), "", False
    for piece in pieces:
        text, met = filtered.push(piece)
        out += text
        if met:
            break
    out += filtered.rest()
    assert met == bool(found)
    if not found:
        assert out == whole
    else:
        assert whole.startswith(out)
        assert not any(stop in out for stop in stops)


def test_what_cannot_become_a_stop_goes_out_at_once() -> None:
    filtered = StopFilter(("END",))
    assert filtered.push("abc E") == ("abc ", False)
    assert filtered.push("N") == ("", False)
    assert filtered.push("x") == ("ENx", False)
    assert filtered.push("tail EN") == ("tail ", False)
    assert filtered.push("D more") == ("", True)


@given(PIECES)
def test_text_without_a_call_comes_out_whole(pieces: list[str]) -> None:
    filtered = CallFilter()
    out = "".join(filtered.push(piece) for piece in pieces)
    rest, calls = filtered.rest(["f"])
    assert out + rest == "".join(pieces)
    assert calls == []


@given(st.lists(st.integers(1, 60), max_size=8))
def test_a_call_after_text_is_held_back_however_it_is_cut(cuts: list[int]) -> None:
    whole = 'Let me look. <tool_call>\n{"name": "f", "arguments": {"x": 1}}\n</tool_call>'
    edges = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    filtered = CallFilter()
    out = "".join(filtered.push(whole[a:b]) for a, b in itertools.pairwise(edges))
    rest, calls = filtered.rest(["f"])
    assert out == "Let me look. "
    assert rest == ""
    assert [(call.name, call.arguments) for call in calls] == [("f", '{"x": 1}')]
