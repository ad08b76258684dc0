"""Each golden report is what comes out, says no secret and no prompt, and is Markdown that nobody else can shape."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from ops.pull_request.report import LIMIT, marker
from tests.unit.pull_requests import golden
from tests.unit.pull_requests.golden import CASES, FULL, HERE, case, written

pytestmark = pytest.mark.unit

PROJECT = Path(__file__).resolve().parents[2]
TITLES = {
    "What changes", "The program", "Fit and headroom", "Cost a month", "Rollout", "To download", "Security",
    "Data that stays", "Not known",
}  # fmt: skip
OUR_HTML = re.compile(
    r"<!-- slm-stacks report-pr [a-z]+ -->|</?details>|<summary>Raw diff: \d+ resources?</summary>|<br>"
)
NEWLINES = re.compile(r"\n+")


# A report is made once for all that is asked of it; what two runs of it have in common is asked of `written`.
report = cache(golden.report)


def expected(name: str) -> str:
    return (HERE / "cases" / name / "expected.md").read_text()


def inputs(name: str) -> str:
    return "".join(
        path.read_text()
        for path in sorted((HERE / "cases" / name).rglob("*"))
        if path.suffix != ".md" and path.is_file()
    )


@pytest.mark.parametrize("name", CASES)
def test_the_golden_report_is_what_comes_out(name: str) -> None:
    found = report(name).comment(FULL, case(name).get("limit", LIMIT))
    assert found == expected(name), "python -m tests.unit.pull_requests.golden, and review what changed"


def test_the_documentation_shows_todays_example() -> None:
    text = golden.PAGE.read_text()
    assert golden.shown(text) == text, "python -m tests.unit.pull_requests.golden, and review what changed"
    with pytest.raises(ValueError, match="no place"):
        golden.shown("nothing")


def test_there_are_the_cases_that_a_reviewer_meets() -> None:
    assert len(CASES) >= 40
    assert {case(name)["stack"] for name in CASES} == {
        "dev", "edge", "prod",
    }  # fmt: skip
    assert len({expected(name) for name in CASES}) > len(CASES) - 3, "cases that say the same show nothing"


@pytest.mark.parametrize("name", ["gateway-key-added", "cluster-replaced"])
def test_twenty_runs_give_the_same_bytes(name: str) -> None:
    assert {written(name) for _ in range(20)} == {expected(name)}


def test_another_order_of_hashes_gives_the_same_bytes() -> None:
    names = ["engine-swap", "fleet-model", "monitoring-added", "gateway-key-added", "hostile-preview", "port-published"]
    program = (
        "import sys; from tests.unit.pull_requests.golden import HERE, written;"
        "print([written(n) == (HERE / 'cases' / n / 'expected.md').read_text() for n in sys.argv[1:]])"
    )
    # This process has a seed of its own, chosen at random.
    done = subprocess.run(
        [sys.executable, "-c", program, *names],
        cwd=PROJECT,
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == str([True] * len(names)), done.stderr


def test_no_secret_and_no_prompt_is_in_any_report() -> None:
    hidden = [name for name in CASES if "CANARY" in inputs(name)]
    assert len(hidden) >= 4
    for name in CASES:
        assert "CANARY" not in report(name).full, name
        assert "CANARY" not in expected(name), name


@pytest.mark.parametrize("name", CASES)
def test_a_report_says_nothing_of_this_machine_and_of_this_moment(name: str) -> None:
    said = expected(name)
    assert str(PROJECT) not in said
    assert str(Path.home()) + "/" not in said
    assert "/tmp/" not in said
    assert not re.search(r"\d{2}:\d{2}:\d{2}", said)


@pytest.mark.parametrize("name", CASES)
def test_a_report_is_markdown_that_only_we_shape(name: str) -> None:
    said = expected(name)
    assert said.startswith(marker(case(name)["stack"]))
    tokens = MarkdownIt("commonmark", {"linkify": False}).enable("table").parse(said)
    flat = [*tokens, *(child for token in tokens for child in token.children or ())]
    for number, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag == "h3":
            assert tokens[number + 1].content in TITLES
        if token.type == "heading_open":
            assert token.tag in ("h2", "h3")
        if token.type == "html_block":
            assert not NEWLINES.sub("", OUR_HTML.sub("", token.content)), token.content
    for token in flat:
        assert token.type not in ("link_open", "image", "code_block")
        if token.type == "html_inline":
            assert OUR_HTML.fullmatch(token.content), token.content
        if token.type == "text":
            assert not re.search(r"[@#](?=[A-Za-z0-9])|://[A-Za-z]|www\.", token.content), token.content
    fences = [token for token in tokens if token.type == "fence"]
    assert (
        len(fences) == said.count("<details>") == said.count("</details>\n") - said.count("</details>\\")
        or "hostile" in name
    )


def test_rows_of_tables_have_the_cells_of_their_heading() -> None:
    tables = 0
    for name in CASES:
        width = 0
        for line in expected(name).split("\n"):
            if not line.startswith("| "):
                width = 0
                continue
            cells = len(re.findall(r"(?<!\\)\|", line))
            tables += not width
            width = width or cells
            assert cells == width, (name, line)
    assert tables > 100


def test_what_is_too_long_is_cut_and_says_where_the_rest_is() -> None:
    limit, said, full = case("huge-diff")["limit"], expected("huge-diff"), report("huge-diff").full
    assert limit * 0.95 < len(said.encode()) <= limit < len(full.encode()) <= LIMIT
    assert FULL in said
    assert FULL not in full
    assert re.search(r"… and \d+ more lines in the full text\.", said)
    for opened, closed in (("<details>", "</details>"), ("```diff", "\n```\n")):
        assert said.count(opened) == said.count(closed) == 1
    assert full.startswith(said[: said.index("\n")])


def test_a_report_that_fits_is_whole() -> None:
    for name in CASES:
        if name != "huge-diff":
            assert expected(name) == report(name).full


def test_what_is_risky_and_what_is_invalid_is_told_by_the_exit_code() -> None:
    said = {name: report(name) for name in CASES}
    invalid = {name for name, one in said.items() if one.invalid}
    assert invalid == {"exception-expired", "head-invalid", "head-no-yaml", "hostile-names", "tls-removed-in-the-open"}
    for name in (
        "pvc-replaced",
        "cluster-replaced",
        "host-removed",
        "model-no-longer-fits",
        "vault-renamed",
        "unprotected",
    ):
        assert said[name].risky, name
    for name in (
        "nothing-changed",
        "secret-only",
        "model-swap",
        "webui-removed",
        "rate-limit",
        "digest-bump",
        "host-added",
    ):
        assert not said[name].risky, name


def test_data_at_risk_stands_before_everything_else() -> None:
    for name in CASES:
        said = expected(name)
        if "Data at risk.**" in said:
            first = said.split("\n\n")[1]
            assert first.startswith(("> [!CAUTION]", "> [!WARNING]")), name
            assert said.index("> [!CAUTION]") < said.index("| In short"), name
