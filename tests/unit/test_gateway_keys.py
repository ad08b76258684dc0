"""keys.map: what reaches the gateway is a digest, and a bad key is refused without being shown."""

from __future__ import annotations

import hashlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.gateway import key_map

pytestmark = pytest.mark.unit

GOOD = "k" * 32
KEYS = st.text(string.ascii_letters + string.digits + "-._~+/=", min_size=32, max_size=128)
IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)


@given(st.lists(st.tuples(IDS, KEYS), min_size=1, max_size=5, unique_by=(lambda p: p[0], lambda p: p[1])))
def test_each_key_becomes_its_digest_and_its_id_and_is_itself_nowhere(pairs: list[tuple[str, str]]) -> None:
    lines = key_map(dict(pairs)).splitlines()
    assert lines == [f"{hashlib.sha256(key.encode()).hexdigest()} {key_id}" for key_id, key in pairs]
    assert not any(key in line for line in lines for _, key in pairs)


def test_17_no_key_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="needs at least one reference"):
        key_map({})


def test_18_a_short_key_is_refused_by_its_id() -> None:
    with pytest.raises(ValueError, match=r"API key 'ci' is too short: 31 bytes") as caught:
        key_map({"ci": "s" * 31})
    assert "s" * 31 not in str(caught.value)


def test_the_same_key_twice_is_refused_by_both_ids() -> None:
    with pytest.raises(ValueError, match="'a' and 'b' are the same key"):
        key_map({"a": GOOD, "b": GOOD})


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_line_end_from_a_file_is_refused(end: str) -> None:
    with pytest.raises(ValueError, match="line end"):
        key_map({"a": GOOD + end})


@pytest.mark.parametrize("key", [GOOD + " x", GOOD + "é", GOOD + "\0", GOOD + ",x", GOOD + '"'])
def test_characters_no_bearer_token_may_have_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match="RFC 6750") as caught:
        key_map({"a": key})
    assert GOOD not in str(caught.value)


@pytest.mark.parametrize("key_id", ["", "a b", "a\n", "a\nb", "-a", "é", "x" * 65])
def test_a_key_id_that_would_break_the_file_or_the_log_is_refused(key_id: str) -> None:
    with pytest.raises(ValueError, match="key id"):
        key_map({key_id: GOOD})
