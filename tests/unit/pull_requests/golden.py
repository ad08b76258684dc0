"""The golden reports: one folder for each case. `python -m tests.unit.pull_requests.golden` writes them anew.

A case patches a common description twice: `base` makes the old side of it, `head` the new one of the old. None deletes
a field. `catalogue` is what the old side's catalogue had instead of today's. What a preview said is in preview.json,
for a fleet in one file for each host.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import tomlkit
import yaml

from components.catalog.place import DIRECTORY
from ops.pull_request.previews import Asked, read
from ops.pull_request.report import LIMIT, Report, build
from ops.pull_request.sides import Side, readable
from ops.pull_request.unknowns import Context

HERE = Path(__file__).parent
CASES = sorted(folder.name for folder in (HERE / "cases").iterdir())
TODAY = date(2026, 11, 27)
FULL = "report.full.md"
PAGE = HERE.parents[2] / "docs" / "pull-requests.md"
EXAMPLE = "several-at-once"
BEGIN, END = "<!-- example -->", "<!-- end of the example -->"


def patched(below: Any, patch: Any) -> Any:
    """`below` with `patch` laid over it; a field that the patch gives as None is gone."""
    if not isinstance(below, Mapping) or not isinstance(patch, Mapping):
        return patch
    merged = {**below, **{key: patched(below.get(key), value) for key, value in patch.items()}}
    return {key: value for key, value in merged.items() if value is not None}


def case(name: str) -> dict[str, Any]:
    """What a case says of itself."""
    said: dict[str, Any] = yaml.safe_load((HERE / "cases" / name / "case.yaml").read_text())
    return said


def report(name: str) -> Report:
    """The report of a case."""
    with tempfile.TemporaryDirectory() as scratch:
        return _report(case(name), HERE / "cases" / name, Path(scratch))


def written(name: str) -> str:
    """What would be commented."""
    return report(name).comment(FULL, case(name).get("limit", LIMIT))


def _report(said: Mapping[str, Any], folder: Path, scratch: Path) -> Report:
    stack = said["stack"]
    common = yaml.safe_load((HERE / "bases" / f"{said.get('common', stack)}.yaml").read_text())
    old = patched(common, said.get("base", {}))
    sides = {"base": old, "head": patched(old, said.get("head", {}))}
    for side, description in sides.items():
        (scratch / side).mkdir()
        text = said.get(f"{side}_text") or yaml.safe_dump(description, sort_keys=False, allow_unicode=True)
        if side not in said.get("without", ()):
            (scratch / side / f"Pulumi.{stack}.yaml").write_text(text)
    catalogue = _catalogue(said.get("catalogue", {}), scratch)
    base, why = readable(Side(stack, scratch / "base", date.min, catalogue))
    if base is None:
        (scratch / "none").mkdir()
    head = Side(stack, scratch / "head", TODAY)
    context = Context(said.get("static", ""), said.get("program", ()), [why] if why else [])
    return build(base or Side(stack, scratch / "none", date.min), head, _asked(folder, head), context)


def _asked(folder: Path, head: Side) -> list[Asked]:
    if (folder / "preview.json").exists():
        return read(folder / "preview.json", (), folder)
    if (folder / "previews").is_dir() and head.fleet:
        return read(folder / "previews", tuple(head.fleet.hosts), folder)
    return []


def _catalogue(patches: Mapping[str, Any], scratch: Path) -> Path:
    if not patches:
        return DIRECTORY
    shutil.copytree(DIRECTORY, scratch / "catalog", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for file, rows in patches.items():
        path = scratch / "catalog" / file
        path.write_text(tomlkit.dumps(patched(tomlkit.parse(path.read_text()).unwrap(), rows)))
    return scratch / "catalog"


def shown(page: str) -> str:
    """The page of the documentation with today's example in it, its headings two levels further down."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    if not after:
        raise ValueError(f"{PAGE.name} has no place for the example")
    lines = (HERE / "cases" / EXAMPLE / "expected.md").read_text().split("\n", 1)[1]
    return f"{before}{BEGIN}\n{re.sub('^##', '####', lines, flags=re.MULTILINE)}{END}{after}"


def main(names: list[str]) -> None:
    """Write the reports of these cases, of all without names, and the example of the documentation."""
    for name in names or CASES:
        (HERE / "cases" / name / "expected.md").write_text(written(name))
        print(name)
    PAGE.write_text(shown(PAGE.read_text()))


if __name__ == "__main__":
    main(sys.argv[1:])
