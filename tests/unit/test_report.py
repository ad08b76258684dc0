"""`make report`: one page that needs nothing from elsewhere, says what happened, and where nothing is known."""

from __future__ import annotations

import re
import stat
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ops.errors import UserError
from ops.prometheus import Line, Prometheus
from ops.report import command
from ops.report.figures import ALERTS, COLUMNS, FIGURES, FIRST, over
from ops.report.page import page
from ops.report.plot import drawn
from ops.status.state import FIGURES as NOW
from ops.status.state import Status, cost_query, state
from tests.unit.inside_samples import Stack, sample
from tests.unit.monitoring_rules_fixtures import recorded
from tests.unit.monitoring_rules_queries import labels_of
from tests.unit.monitoring_rules_samples import FACTS

pytestmark = pytest.mark.unit

AT = datetime(2026, 11, 26, 21, 0, tzinfo=UTC)
START, END = AT.timestamp() - 86400, AT.timestamp()
STEP = 300
MEMORY = next(figure for figure in FIGURES if figure.title == "Memory")
FIRST_TOKEN = next(figure for figure in FIGURES if "p95" in figure.title)


def line(engine: str, *values: float, start: float = START, step: int = STEP) -> dict[str, Any]:
    """A series of a range query's answer."""
    return {"metric": {"engine": engine}, "values": [[start + n * step, str(value)] for n, value in enumerate(values)]}


def parsed(found: dict[str, Any]) -> Line:
    return Line(labels=found["metric"], points=tuple((at, float(value)) for at, value in found["values"]))


def status_of(stack: Stack, engines: dict[str, tuple[str, str]] | None = None) -> Status:
    asked = Prometheus(stack)
    described = engines or {"chat": ("ollama", "qwen")}
    return state(described, asked.query(NOW), asked.query(cost_query(15)), asked.alerts(), asked.targets())


def html(stack: Stack, **engines: tuple[str, str]) -> str:
    return page(Prometheus(stack), status_of(stack, engines), "dev", 24, "Figures are kept for 15 days.", AT)


class Elements(HTMLParser):
    """Every element with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def full() -> Stack:
    """A stack with figures of everything."""
    stack = Stack()
    for figure in FIGURES:
        stack.ranges[figure.query] = [line("chat", 1, 2, 3), line("other", 3, 2, 1)]
        if figure.compared:
            stack.ranges[figure.compared] = [line("chat", 4, 4, 4)]
    for column in COLUMNS:
        stack.queries[over(column.query, 24)] = [sample("", 2 * column.scale, engine="chat")]
    stack.queries[over(ALERTS, 24)] = [
        sample("", 7, alertname="TokensSlow", severity="warning", engine="chat"),
        sample("", 40, alertname="DiskFull", severity="critical", instance="node:1"),
    ]
    return stack


@pytest.fixture(scope="module")
def text() -> str:
    """The page of a stack with figures of everything, drawn once: it takes a second."""
    return html(full())


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing(text: str) -> None:
    elements = Elements(text).found
    tags = {tag for tag, _ in elements}
    assert {"svg", "table", "style"} <= tags
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base", "a"}
    for _, attributes in elements:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")
    assert not re.search(r"url\((?!#)|@import", text)
    # A name of an XML vocabulary is no address that anybody asks.
    assert set(re.findall(r"https?://[^\"' <)]+", text)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert "default-src 'none'" in text


def test_every_plot_is_drawn_once_and_has_its_words(text: str) -> None:
    elements = Elements(text).found
    named = [attributes["aria-label"] for tag, attributes in elements if tag == "svg"]
    assert named == [figure.title for figure in FIGURES]


def test_a_reference_in_a_plot_leads_into_the_same_plot(text: str) -> None:
    for plot in re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL):
        own = set(re.findall(r'id="([^"]+)"', plot))
        assert set(re.findall(r'(?:href="|url\()#([^")]+)', plot)) <= own
    for name in set(re.findall(r'(?:href="|url\()#([^")]+)', text)):
        assert text.count(f'id="{name}"') == 1, "the browser takes the first of several"


def test_where_nothing_is_known_it_says_why_and_draws_no_empty_plot() -> None:
    text = html(Stack())
    assert "<svg" not in text
    assert text.count('<p class="none">') == len(FIGURES) + 1
    for figure in FIGURES:
        assert figure.missing in text or figure.missing.replace("'", "&#39;") in text, figure.title
    assert re.search(r"<td>chat \(ollama\)</td><td>qwen</td>(<td>-</td>)+</tr>", text)


def test_the_table_has_a_cell_for_each_column_in_its_unit(text: str) -> None:
    [cells] = re.findall(r"<td>chat \(ollama\)</td><td>qwen</td>(.*?)</tr>", text)
    assert re.findall(r"<td>(.*?)</td>", cells) == [
        "2.0 %",
        "2",
        "2",
        "2",
        "2.00 s",
        "2",
        "2.00 GiB",
        "2.00 GiB",
        "2.00 USD",
    ]


def test_a_quantile_of_no_requests_is_a_dash_and_no_line() -> None:
    stack = Stack()
    [column] = [column for column in COLUMNS if "p95" in column.title]
    stack.queries[over(column.query, 24)] = [sample("", "NaN", engine="chat")]
    stack.ranges[FIRST_TOKEN.query] = [line("chat", float("nan"), float("nan"))]
    text = html(stack)
    assert "nan" not in text.lower()
    assert f'aria-label="{FIRST_TOKEN.title}"' not in text
    assert FIRST_TOKEN.missing.replace("'", "&#39;") in text


def test_alerts_that_fired_are_listed_the_longest_first(text: str) -> None:
    assert text.index("<td>DiskFull</td><td>critical</td><td>node:1</td><td>40</td>") < text.index(
        "<td>TokensSlow</td><td>warning</td><td>chat</td><td>7</td>"
    )


def test_what_is_broken_now_is_on_top(text: str) -> None:
    assert "Nothing is broken" in text
    stack = Stack()
    stack.set("slm:up", 0)
    assert "<li>chat does not answer" in html(stack)


def test_what_a_stack_calls_its_things_is_text_and_no_markup() -> None:
    name = "<script>alert(1)</script>"
    stack = Stack()
    stack.ranges[MEMORY.query] = [line(name, 1, 2)]
    stack.queries[over(ALERTS, 24)] = [sample("", 1, alertname=name, severity=name, engine=name)]
    text = html(stack, chat=("ollama", name))
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def segments(svg: str, colour: str) -> int:
    """How many separate pieces the line of a colour has."""
    path, *_legend = re.findall(rf'<path d="([^"]+)"[^>]*style="fill: none; stroke: {colour}', svg)
    return path.count("M")


def test_a_line_is_broken_where_nothing_was_known() -> None:
    whole = drawn(MEMORY, [parsed(line("chat", 1, 2, 3, 4))], [], START, END, STEP)
    early, late = line("chat", 1, 2), line("chat", 3, 4, start=START + 20 * STEP)
    early["values"] += late["values"]
    broken = drawn(MEMORY, [parsed(early)], [], START, END, STEP)
    untold = drawn(MEMORY, [parsed(line("chat", 1, 2, float("nan"), 3, 4))], [], START, END, STEP)
    assert whole
    assert broken
    assert untold
    assert [segments(svg, "#3b6ea8") for svg in (whole, broken, untold)] == [1, 2, 2]


def test_a_single_value_is_seen_and_those_of_a_line_have_no_dots() -> None:
    dots = re.compile(r"<use [^>]*style=\"fill: #3b6ea8")
    alone = drawn(MEMORY, [parsed(line("chat", float("nan"), 2, float("nan")))], [], START, END, STEP)
    row = drawn(MEMORY, [parsed(line("chat", 1, 2, 3))], [], START, END, STEP)
    assert alone
    assert row
    # One more is in the legend.
    assert len(dots.findall(alone)) == len(dots.findall(row)) + 1


def test_memory_is_drawn_beside_its_prediction_in_the_same_colour() -> None:
    svg = drawn(MEMORY, [parsed(line("chat", 2**30))], [parsed(line("chat", 2**31, 2**31))], START, END, STEP)
    assert svg
    assert "chat, predicted" in svg
    styles = re.findall(r'style="(fill: none;[^"]*stroke: #3b6ea8[^"]*|fill: none; stroke-dasharray[^"]*)"', svg)
    dashed = [style for style in styles if "dasharray" in style and "stroke: #3b6ea8" in style]
    assert len(dashed) == 2, "the line and its legend"


@pytest.mark.parametrize(
    ("hours_ago", "since", "said"),
    [
        (48, "2026-11-25 21:00", "24 h."),
        (1, "2026-11-26 20:00", "no more of the last 24 h: figures begin then"),
        (0.01, "2026-11-26 20:50", "figures begin then"),
    ],
)
def test_a_young_stacks_page_begins_where_its_figures_do(hours_ago: float, since: str, said: str) -> None:
    stack = Stack()
    stack.queries[FIRST] = [sample("", END - hours_ago * 3600)]
    text = html(stack)
    assert f"From {since} to 2026-11-26 21:00 (UTC)" in text
    assert said in text
    [asked] = {re.findall(r"start=([\d.]+)", url)[0] for url in stack.asked if "query_range" in url}
    assert float(asked) == datetime.fromisoformat(f"{since}+00:00").timestamp()


def test_the_same_figures_make_the_same_page(text: str) -> None:
    assert html(full()) == text


def test_its_queries_name_what_the_rules_record() -> None:
    metrics = recorded(FACTS)
    for figure in FIGURES:
        assert labels_of(figure.query, metrics) == {"engine"}, figure.title
        assert not figure.compared or labels_of(figure.compared, metrics) <= {"engine"}
    for column in COLUMNS:
        assert "engine" in labels_of(over(column.query, 24), metrics), column.title
    labels_of(FIRST, metrics)
    assert {"alertname", "severity"} <= labels_of(over(ALERTS, 24), metrics)
    assert all("DURATION" not in over(query, 24) for query in (ALERTS, *(column.query for column in COLUMNS)))


def test_the_file_is_the_owners_and_its_place_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Stack()
    monkeypatch.setattr("ops.inside.of", lambda *_: stack)
    file = tmp_path / "report.html"
    console = Console(record=True, width=200, quiet=False)
    assert command.run("dev", 24, file, console) == file
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert str(file) in console.export_text()
    assert file.read_text().startswith("<!doctype html>")
    with pytest.raises(UserError, match="cannot be written"):
        command.run("dev", 24, tmp_path / "no" / "report.html", console)
