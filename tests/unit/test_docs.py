"""The documents say what is so: every test, file, command and link they name exists."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from functools import cache
from pathlib import Path

import pytest

from components.settings.permissions import LAST_CONTROL
from ops.verify import RULES

pytestmark = pytest.mark.unit

PROJECT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").glob("*.md")])
SECURITY = PROJECT / "docs" / "security.md"
OUTSIDE = ("http://", "https://", "#")
MADE_LATER = ("bench/results/",)
"""Paths that a command makes and git ignores."""


def names(documents: list[Path]) -> list[str]:
    return [str(document.relative_to(PROJECT)) for document in documents]


def in_code(text: str) -> list[str]:
    """Everything between single backticks, outside of fenced blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def named_tests(text: str) -> list[str]:
    return [word for word in in_code(text) if "::" in word]


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading of the security document."""
    section = SECURITY.read_text().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    table = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert table, f"there is no table below '{heading}'"
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def numbers(text: str) -> set[int]:
    """`22-37, 41` as numbers."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


@cache
def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*?## ", (PROJECT / "Makefile").read_text(), flags=re.MULTILINE))


@pytest.fixture(scope="module")
def collected() -> set[str]:
    """The node ids of the tests in the files that the documents name.

    Only where a document names parameters pytest is asked for them: importing every file takes a quarter minute.
    """
    named = {test for document in DOCUMENTS for test in named_tests(document.read_text())}
    files = {test.split("::")[0] for test in named}
    functions = {
        f"{file}::{node.name}"
        for file in files
        if (PROJECT / file).is_file()
        for node in ast.parse((PROJECT / file).read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    with_parameters = {test.split("::")[0] for test in named if "[" in test}
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    # A person's own options for pytest would change what it prints.
    environment = {key: value for key, value in os.environ.items() if key != "PYTEST_ADDOPTS"}
    done = subprocess.run(
        [*command, *sorted(with_parameters)], cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return functions | {line for line in done.stdout.splitlines() if "::" in line}


@pytest.mark.parametrize("document", DOCUMENTS, ids=names(DOCUMENTS))
def test_every_test_a_document_names_exists(document: Path, collected: set[str]) -> None:
    assert [test for test in named_tests(document.read_text()) if test not in collected] == []


def test_every_control_that_holds_names_its_tests_its_code_and_its_level() -> None:
    for control, what, code, tests, level in rows("Controls that hold"):
        assert what, control
        assert named_tests(tests), f"control {control} names no test"
        assert in_code(code), f"control {control} names no code"
        assert re.fullmatch(r"[123](, [123])*", level), f"control {control}: level {level}"
    for control, holds, missing, tests, level in rows("Controls that hold in part"):
        assert holds, control
        assert missing, f"control {control} does not say what is missing"
        assert named_tests(tests), f"control {control} names no test"
        assert re.fullmatch(r"[123](, [123])*", level), f"control {control}: level {level}"


REAL = ("tests/edge/", "tests/docker/", "tests/kubernetes/test_real_node.py")
"""Where containers really run."""


def test_a_control_proven_by_a_real_deployment_names_a_test_of_that_layer() -> None:
    for row in [*rows("Controls that hold"), *rows("Controls that hold in part")]:
        real = any(test.startswith(REAL) for test in named_tests(row[3]))
        assert real == ("1" in row[4].split(", ")), f"control {row[0]}: level {row[4]}"


def test_a_control_judged_by_kubernetes_own_programs_says_so() -> None:
    layers = ("tests/kubernetes/", "tests/rehearsal/")
    judged = 0
    for row in [*rows("Controls that hold"), *rows("Controls that hold in part")]:
        # A scanner reads files: nothing is started before anything simulated.
        by = [test for test in named_tests(row[3]) if test.startswith(layers) and "_scanner" not in test]
        by = [test for test in by if not test.startswith(REAL)]
        judged += bool(by)
        assert not by or "2" in row[4].split(", "), f"control {row[0]}: level {row[4]}"
    assert judged >= 5


def test_every_control_is_in_exactly_one_table() -> None:
    told = [int(row[0]) for row in [*rows("Controls that hold"), *rows("Controls that hold in part")]]
    later = [number for row in rows("Not yet") for number in sorted(numbers(row[0]))]
    assert sorted(told + later) == list(range(1, LAST_CONTROL + 1))


def test_every_rule_checked_on_running_containers_is_named_with_its_test() -> None:
    tests = {int(row[0]): row[3] for row in rows("Controls that hold")}
    for rule in RULES:
        assert f"test_every_running_container_holds[control_{rule.control:02}]" in tests[rule.control]


@pytest.mark.parametrize("document", DOCUMENTS, ids=names(DOCUMENTS))
def test_every_path_a_document_names_exists(document: Path) -> None:
    looks_like_path = re.compile(
        r"(components|ops|tools|images|tests|docs|schema|bench|policies|servers|rehearsal)/[\w./*-]*"
    )
    for word in in_code(document.read_text()):
        path = word.split("::")[0]
        if looks_like_path.fullmatch(path) and not path.startswith(MADE_LATER):
            assert list(PROJECT.glob(path.rstrip("/"))), f"{document.name} names {path}, which does not exist"
        elif re.fullmatch(r"[\w.-]+\.(toml|yaml|py|md)", path) and "<" not in path:
            assert list(PROJECT.glob(path)) or list(PROJECT.glob(f"components/**/{path}")), f"{document.name}: {path}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=names(DOCUMENTS))
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if not link.startswith(OUTSIDE):
            assert (document.parent / link.split("#")[0]).exists(), f"{document.name} links to {link}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=names(DOCUMENTS))
def test_every_make_target_a_document_names_exists(document: Path) -> None:
    text = document.read_text()
    said = set(re.findall(r"(?:`|^\$ |\$\()make (?:-s )?([a-z][a-z-]*)", text, flags=re.MULTILINE))
    assert said <= make_targets(), f"{document.name} names targets the Makefile lacks"


def test_the_readme_leads_to_every_make_target() -> None:
    text = (PROJECT / "README.md").read_text()
    assert make_targets(), "the Makefile has no targets: this test would check nothing"
    assert "`make help`" in text or all(f"make {target}" in text for target in make_targets())
    for target in ("up", "test", "preview", "smoke", "down", "check", "key", "rotate-key", "env", "doctor"):
        assert f"make {target}" in text or f"make -s {target}" in text, target


@pytest.mark.parametrize("document", DOCUMENTS, ids=names(DOCUMENTS))
def test_no_document_names_a_machines_own_path(document: Path) -> None:
    found = re.findall(r"(?<![\w.])/(?:home|root|work|Users|tmp/\w)[^\s`)]*", document.read_text())
    assert found == []


def test_drawings_are_small_text_that_any_viewer_reads() -> None:
    drawings = list((PROJECT / "docs" / "images").glob("*.svg"))
    assert drawings
    for drawing in drawings:
        assert drawing.stat().st_size < 20_000
        root = ElementTree.parse(drawing).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.find("{http://www.w3.org/2000/svg}desc") is not None, "people who cannot see it need its words"


def test_other_pictures_are_small_screenshots_that_a_document_shows_with_their_words() -> None:
    text = "".join(document.read_text() for document in DOCUMENTS)
    for picture in (PROJECT / "docs" / "images").iterdir():
        if picture.suffix != ".svg":
            assert picture.suffix == ".png"
            assert picture.stat().st_size < 300_000
            assert re.search(rf"!\[[^\]]{{10,}}\]\((docs/)?images/{re.escape(picture.name)}\)", text), picture.name


@pytest.mark.parametrize("heading", ["What was run", "Engines", "Production and rehearsal"])
def test_every_row_of_evidence_says_command_level_and_day(heading: str) -> None:
    section = (PROJECT / "docs" / "evidence.md").read_text().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    table = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert len(table) > 5
    for line in table:
        claim, command, level, day, _figure = (cell.strip() for cell in line.strip("|").split("|"))
        assert in_code(command), f"'{claim}' names no command"
        assert re.fullmatch(r"[123](, [123])*", level), claim
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", day), claim
