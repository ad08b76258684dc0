"""YAML that different readers would read differently, or that would hurt them, is refused with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.yaml_file import LARGEST_FILE, YamlError, parse, read

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 2\na: 3\n", r"f\.yaml:3:1: duplicate key 'a' \(first on line 1\)"),
        ("a:\n  b: 1\n  b: 2\n", r"f\.yaml:3:3: duplicate key 'b'"),
        ("a: &x [1]\nb: [*x, *x]\n", r"f\.yaml:1:4: anchors and aliases can grow without bound"),
        ("a: *x\n", r"f\.yaml:1:4: anchors and aliases"),
        ("<<: {a: 1}\n", "a key that is not text"),
        ("a: .nan\n", "'.nan' is not a finite number"),
        ("a: -.inf\n", "'-.inf' is not a finite number"),
        ("a: 123456789012345678901234567890\n", "loses digits"),
        (f"a: {'9' * 9000}\n", "loses digits"),
        ("a: no\n", "'no' is true or false to some readers and text to others: expected string, got bool"),
        ("a: On\n", "'On' is true or false"),
        ("a: 0777\n", "'0777' is one number to some readers"),
        ("a: 0o17\n", "'0o17' is one number"),
        ("a: 0x1f\n", "'0x1f' is one number"),
        ("a: 22:30\n", "'22:30' is one number"),
        ("a: 1_000\n", "'1_000' is one number"),
        ("a: 1e3\n", "'1e3' is one number"),
        ("a: !!python/object/apply:os.system [x]\n", "a '!' tag"),
        ("a: !secret x\n", "a '!' tag"),
        ("a: !!int x\n", "a '!' tag"),
        ("a: !number x\n", "a '!' tag"),
        ("1: a\n", "a key that is not text"),
        ("? [a]\n: b\n", "a key that is not text"),
        ("a: 1\n---\na: 2\n", "more than one document"),
        ("a: [1,\n", r"f\.yaml:2:1: broken YAML"),
        ("a: b: c\n", r"f\.yaml:1:5: broken YAML, mapping values are not allowed here"),
        ("a:\n\tb: 1\n", r"f\.yaml:2:1: a tab is used for indentation"),
        ("a: 'x\n", "broken YAML"),
        ("a: x\x00y\n", r"f\.yaml:1: control character U\+0000"),
        ("a: " + "[" * 5000, "nested deeper than 40 levels"),
        ("- a\n", "a list at the top"),
        ("text\n", "a single value at the top"),
        ("", "the file is empty"),
    ],
)
def test_what_is_refused_says_where_why_and_how_to_mend_it(text: str, told: str) -> None:
    with pytest.raises(YamlError, match=told) as refused:
        parse(text, "f.yaml")
    assert " — " in str(refused.value)
    assert "\n" not in str(refused.value)


def test_plain_values_keep_their_usual_types() -> None:
    text = "a: true\nb: 12\nc: -1.5\nd: ~\ne: text\nf: [1, two]\ng: {h: '0777'}\n"
    text += "i: 2026-12-31\nj: 1.2.3\nk: 4Gi\nl: 10.0.0.0/8\n"
    assert parse(text, "f") == {
        "a": True,
        "b": 12,
        "c": -1.5,
        "d": None,
        "e": "text",
        "f": [1, "two"],
        "g": {"h": "0777"},
        "i": "2026-12-31",
        "j": "1.2.3",
        "k": "4Gi",
        "l": "10.0.0.0/8",
    }


PLAIN = st.recursive(
    st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.none()
    | st.from_regex(r"[a-zA-Z][a-zA-Z .,:#'\"-]{5,20}", fullmatch=True),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.from_regex(r"[a-z]{4,9}", fullmatch=True), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.from_regex(r"[a-z]{4,9}", fullmatch=True), PLAIN, min_size=1, max_size=4))
def test_ordinary_data_survives_writing_and_reading(data: dict[str, object]) -> None:
    text = yaml.safe_dump(data)
    if "&" in text and "*" in text:  # the writer itself used an alias for an equal object
        return
    assert parse(text, "f") == data


@given(st.text(max_size=60))
def test_any_text_gives_a_mapping_or_one_sentence(text: str) -> None:
    outcome = _mapping_or_sentence(text)
    assert isinstance(outcome, dict) or outcome.startswith("f.yaml")


def _mapping_or_sentence(text: str) -> dict[str, object] | str:
    try:
        return parse(text, "f.yaml")
    except YamlError as error:
        return str(error)


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(YamlError, match=r"gone\.yaml: the file does not exist"):
        read(tmp_path / "gone.yaml")
    with pytest.raises(YamlError, match="cannot be read"):
        read(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: gr\xfc\xdfe\n")
    with pytest.raises(YamlError, match=r"latin\.yaml:2: not UTF-8"):
        read(tmp_path / "latin.yaml")
    (tmp_path / "big.yaml").write_bytes(b"a: b\n" * (LARGEST_FILE // 4))
    with pytest.raises(YamlError, match=r"larger than 1024 KiB"):
        read(tmp_path / "big.yaml")


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read(tmp_path / "bom.yaml") == {"a": 1}
