"""How large the golden reports are, whether twenty runs give the same bytes, and how long a report takes.

`python -m bench.pull_requests` prints it; it asks neither Docker nor a cloud.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from components.catalog.place import DIRECTORY
from ops.machine import PROJECT
from ops.pull_request.report import LIMIT, build
from ops.pull_request.sides import Side
from ops.pull_request.unknowns import Context
from tests.unit.pull_requests.golden import CASES, HERE, TODAY, report, written

RUNS = 20
HOSTS = 1000
"""As many as a fleet may have."""


def main() -> None:
    """Print the three tables."""
    console = Console(width=110)
    console.print(_sizes(), _same(), _times())


def _sizes() -> Table:
    found = {name: len(report(name).full.encode()) for name in CASES}
    table = Table("report", "bytes", title=f"{len(CASES)} golden reports, of {LIMIT} a comment may have")
    for what, size in (("smallest", min), ("median", statistics.median), ("largest", max)):
        table.add_row(what, f"{size(found.values()):,.0f}")
    return table


def _same() -> Table:
    table = Table("runs", "reports", "with other bytes", title="byte-equal")
    differ = [name for name in CASES if {written(name) for _ in range(RUNS)} != {_expected(name)}]
    table.add_row(str(RUNS), str(len(CASES)), ", ".join(differ) or "none")
    return table


def _times() -> Table:
    table = Table("static report", "median s", "fastest", "slowest", title="time")
    command = [sys.executable, "-m", "ops", "report-pr", "--stack", "prod", "--base", "HEAD", "--static"]
    _row(table, "prod, a new process", lambda: _run(command), 7)
    _row(table, "prod, a warm process", lambda: report("context-longer"), RUNS)
    _row(table, "fleet of 3 hosts, warm", lambda: report("wave-settings"), RUNS)
    with tempfile.TemporaryDirectory() as folder:
        make = _large_fleet(Path(folder))
        _row(table, f"fleet of {HOSTS} hosts of two kinds, warm", make, 3)
    return table


def _large_fleet(folder: Path) -> Callable[[], object]:
    """A report about another model on every host of a large fleet."""
    described = yaml.safe_load((HERE / "bases" / "edge.yaml").read_text())
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{:0>43}"
    hosts = described["config"]["slm:fleet"]["hosts"]
    for n in range(HOSTS - len(hosts)):
        hosts[f"host-{n}"] = {"address": f"10.0.{n // 250}.{n % 250 + 1}", "host_key": key.format(n)}
    for side, requests in (("base", 2), ("head", 3)):
        described["config"]["slm:engines"]["chat"]["parallel"] = requests
        (folder / side).mkdir()
        (folder / side / "Pulumi.edge.yaml").write_text(yaml.safe_dump(described, sort_keys=False))

    def make() -> object:
        base, head = (Side("edge", folder / side, TODAY, DIRECTORY) for side in ("base", "head"))
        return build(base, head, context=Context("Pulumi was not asked")).comment("report.full.md")

    return make


def _row(table: Table, what: str, do: Callable[[], object], runs: int) -> None:
    do()
    took = []
    for _ in range(runs):
        began = time.perf_counter()
        do()
        took.append(time.perf_counter() - began)
    table.add_row(what, f"{statistics.median(took):.2f}", f"{min(took):.2f}", f"{max(took):.2f}")


def _run(command: list[str]) -> None:
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)


def _expected(name: str) -> str:
    return (HERE / "cases" / name / "expected.md").read_text()


if __name__ == "__main__":
    main()
