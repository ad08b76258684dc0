"""Foreign words stay words, whatever is in them; and what is cut stays whole around the cut."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ops.pull_request.markdown import Section, code, comment, listed, row, say, table, text

pytestmark = pytest.mark.unit

PARSER = MarkdownIt("commonmark").enable("table")
HOSTILE = st.text(st.sampled_from("`|\\<>&[]()!*_~#@-+=:./$^{}\n\r\t\0aZ1 \u202e\u200b"), max_size=30) | st.text(
    max_size=30
)


def cells(markdown: str) -> list[Token]:
    """What the cells of the second row of a table are made of, its heading being `a` and `b`."""
    tokens = PARSER.parse("\n".join([*table("a", "b"), markdown]))
    kinds = [token.type for token in tokens]
    assert kinds.count("tr_open") == 2, markdown
    assert {"heading_open", "html_block", "bullet_list_open", "blockquote_open", "hr"}.isdisjoint(kinds), markdown
    return [token for token in tokens if token.type == "inline"][2:]


@given(HOSTILE)
def test_a_foreign_word_is_one_code_span(word: str) -> None:
    first, second = cells(row(code(word), "x"))
    assert [child.type for child in first.children or ()] == ["code_inline"]
    assert second.content == "x"


@given(HOSTILE)
def test_a_foreign_sentence_is_nothing_but_text(sentence: str) -> None:
    first, second = cells(row(f"said: {text(sentence)}", "x"))
    assert {child.type for child in first.children or ()} <= {"text", "text_special", "softbreak"}
    assert second.content == "x"
    said = "".join(child.content for child in first.children or ())
    assert not re.search(r"[@#][A-Za-z0-9]|://[A-Za-z0-9]|www\.[A-Za-z0-9]", said)


@given(HOSTILE)
def test_a_foreign_sentence_begins_no_block(sentence: str) -> None:
    tokens = PARSER.parse(f"- {text(sentence)}")
    assert {token.type for token in tokens} <= {
        "bullet_list_open", "list_item_open", "paragraph_open", "inline", "paragraph_close", "list_item_close",
        "bullet_list_close",
    }  # fmt: skip


@given(st.text(st.sampled_from("ab `|~#@[]"), max_size=20))
def test_what_is_harmless_is_shown_as_it_is(word: str) -> None:
    first, _ = cells(row(f"x{text(word)}x", "y"))
    said = "".join(child.content for child in first.children or ()).replace("\u200b", "")
    assert said == f"x{word}x"


def test_what_nobody_would_see_is_shown_by_its_code() -> None:
    assert code("a\u202eb\u200b") == "`a\\u202eb\\u200b`"
    assert code("a\nb\tc") == "`a b\\u0009c`"
    assert code("") == "` `"
    assert len(code("x" * 1000)) < 130
    assert len(text("x" * 10_000)) < 1300


def test_our_own_sentences_take_foreign_words() -> None:
    assert say("engine {} on {}", "a|b", "c`d") == "engine `a¦b` on ``c`d``"
    assert listed(str(number) for number in range(15)).endswith("`11` and 3 more")


def sections(count: int) -> list[Section]:
    return [
        Section(("first",), head=("> [!CAUTION]",)),
        Section(tuple(row(str(n), "b") for n in range(count)), head=table("a", "b"), foot=("", "below the table")),
        Section(()),
        Section(
            tuple(f"line {n}" for n in range(count)), head=("<details>", "```diff"), foot=("```", "", "</details>")
        ),
    ]


@given(st.integers(0, 200), st.integers(400, 6000))
def test_a_cut_comment_fits_and_everything_that_was_opened_is_closed(count: int, limit: int) -> None:
    said = comment(sections(count), limit)
    whole = comment(sections(count))
    assert len(said.encode()) <= limit
    assert said == whole if len(whole.encode()) <= limit else "more lines in the full text" in said
    assert said.count("<details>") == said.count("</details>")
    assert said.count("```diff") == len(re.findall(r"^```$", said, re.MULTILINE))
    assert said.startswith("> [!CAUTION]\nfirst\n")
    if count and "<details>" in said:
        # The last section is cut before the one above it.
        assert said.count("| b |") == count + 1 or "line 0" not in said


def test_the_limit_is_of_bytes_so_that_it_holds_however_a_host_counts() -> None:
    said = comment([Section(tuple("ü" * 50 for _ in range(100)))], 1000)
    assert len(said.encode()) <= 1000
    assert "… and" in said
