"""The arithmetic and the table of the measurements; what they measure is run by `make bench-deploy`."""

from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from bench.edge import row, told_of_a_hundred
from bench.gateway import configuration
from bench.plain import differences
from bench.table import Goal, Row, compared, interleaved, percentile, shown, write
from ops.errors import UserError

pytestmark = pytest.mark.unit
PROJECT = Path(__file__).resolve().parents[2]


def test_the_median_of_one_side_is_compared_with_the_median_of_the_other() -> None:
    row = compared("up", "s", [9.0, 1.0, 2.6], [2.0, 100.0, 1.0], Goal("ratio", 1.3))
    assert (row.ours, row.reference, row.ratio) == (2.6, 2.0, 1.3)
    assert row.samples == {"ours": [9.0, 1.0, 2.6], "reference": [2.0, 100.0, 1.0]}


@pytest.mark.parametrize(
    ("goal", "ours", "verdict"),
    [
        (Goal("ratio", 1.5), 3.0, "met"),
        (Goal("ratio", 1.5), 3.1, "missed"),
        (Goal("added", 1), 3.0, "met"),
        (Goal("added", 1), 3.1, "missed"),
        (Goal("value", 3), 3.0, "met"),
        (Goal("value", 3), 3.1, "missed"),
        (None, 3.0, "no goal"),
    ],
)
def test_a_goal_is_met_up_to_its_limit(goal: Goal | None, ours: float, verdict: str) -> None:
    assert Row("x", "s", ours, 2.0, goal).verdict == verdict


def test_a_goal_against_a_reference_needs_one() -> None:
    with pytest.raises(ValueError, match="needs a reference"):
        Row("x", "s", 1.0, None, Goal("ratio", 2))


@pytest.mark.parametrize(("percent", "value"), [(50, 50), (99, 99), (100, 100), (1, 1)])
def test_a_percentile_is_a_measured_value(percent: float, value: float) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == value


def test_a_percentile_of_one_value_is_that_value_and_of_none_an_error() -> None:
    assert percentile([7.0], 99) == 7.0
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_sides_alternate() -> None:
    order: list[str] = []

    def side(name: str, value: float) -> float:
        order.append(name)
        return value

    assert interleaved(2, lambda: side("a", 1), lambda: side("b", 2)) == [[1, 1], [2, 2]]
    assert order == ["a", "b", "a", "b"]


def test_the_table_shows_goal_and_verdict_and_the_json_every_sample(tmp_path: Path) -> None:
    rows = [compared("preview", "s", [3.0], [1.0], Goal("ratio", 2)), Row("set-up", "s", 120.4)]
    console = Console(file=StringIO(), width=120)
    console.print(shown(rows))
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    for word in ("preview", "3.00x", "<= 2x", "missed", "120 s", "no goal"):
        assert word in printed
    write(tmp_path / "results" / "x.json", rows, {"cpus": 2})
    document = json.loads((tmp_path / "results" / "x.json").read_text())
    assert document["machine"] == {"cpus": 2}
    assert document["rows"][0]["samples"] == {"ours": [3.0], "reference": [1.0]}
    assert [row["verdict"] for row in document["rows"]] == ["missed", "no goal"]


def test_a_comparison_of_different_containers_or_of_none_is_not_fair() -> None:
    one = {"chat": {"Memory": 1, "User": "1:1"}}
    assert differences(one, {"chat": {"Memory": 1, "User": "1:1"}}) == []
    assert differences(one, {"chat": {"Memory": 2, "User": "1:1"}}) == ["chat Memory: 1 and 2"]
    assert differences(one, {}) != []
    assert differences({}, {}) != []


def test_the_measured_gateway_differs_from_the_rendered_one_in_its_ports_only() -> None:
    text, settings = configuration(1111, 2222, 3333)
    assert "bind 127.0.0.1:2222" in text
    assert "bind 127.0.0.1:3333" in text
    assert "bind :" not in text
    assert "sha2(256)" in text, "the key check stays"
    assert settings.limits.requests_per_minute >= 10**9


def test_the_program_loads_no_library_that_only_commands_need() -> None:
    program = "components.program, components.secrets, components.stack, components.targets.docker.host"
    listed = subprocess.run(
        [sys.executable, "-c", f"import sys, {program}; print(*sys.modules)"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "pulumi_docker" in listed
    for library in ("docker", "httpx", "paramiko", "rich", "typer", "structlog", "requests"):
        assert library not in listed, f"{library} makes every preview slower"


def test_the_cost_of_simulated_hosts_is_read_from_what_their_test_says() -> None:
    said = "..\n100 hosts: 9.8 s of processor; a host 0.097 s at first, 0.101 s at last\nmemory of a host: 4.0 MiB"
    (found,) = told_of_a_hundred(said)
    assert (found.ours, found.reference, found.unit) == (0.101, 0.097, "s")
    assert "100 in 9.8 s" in found.note
    with pytest.raises(UserError, match="says nothing of its cost"):
        told_of_a_hundred("1 skipped")


def test_a_row_of_the_fleet_shows_the_median_and_how_far_the_runs_lie_apart() -> None:
    found = row("x", "MB", [3.0, 1.0, 2.5], "why", reference=[10.0])
    assert (found.ours, found.reference) == (2.5, 10.0)
    assert found.note == "1 to 3 MB in 3 runs; why"
    assert found.samples == {"ours": [3.0, 1.0, 2.5], "reference": [10.0]}
