"""`make release-check`: whether this checkout can be released as the version it says, and what such a release holds."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import yaml
from packaging.version import InvalidVersion, Version
from rich.console import Console
from rich.table import Table

from components.catalog import catalog
from components.settings import SettingsError, load
from ops.errors import UserError
from ops.machine import PROJECT, STATE_DIRECTORY
from ops.release import parts
from ops.release.sbom import bill

SECTION = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<day>\S+))?\s*$", re.MULTILINE)
Said = tuple[str, bool, str]


def sections(text: str) -> dict[str, tuple[str, str]]:
    """The sections of a changelog: day and content by version."""
    found = list(SECTION.finditer(text))
    ends = [one.start() for one in found[1:]] + [len(text)]
    return {m["version"]: (m["day"] or "", text[m.end() : end].strip()) for m, end in zip(found, ends, strict=True)}


def checks(project: Path) -> Iterator[Said]:
    """Each check: its name, whether it holds, and why. Raises UserError for a file that cannot be read."""
    try:
        version = parts.version(project)
        locked = parts.locked(project)
        pack = yaml.safe_load((project / "policies" / "PulumiPolicy.yaml").read_text())
        changes = sections((project / "CHANGELOG.md").read_text())
    except (OSError, KeyError, ValueError) as error:
        raise UserError(
            f"a file of the release cannot be read: {error}", harm="nothing was checked", fix="restore it from git"
        ) from None
    yield "the version is one", _is_version(version), f"pyproject.toml says {version}"
    own = str(locked.get("slm-stacks", {}).get("version", "nothing"))
    yield "uv.lock says the same", own == version, f"{own}; uv lock writes it"
    yield "no other file says one", "version" not in pack, "policies/PulumiPolicy.yaml has none of its own"
    yield from _changelog(version, changes)
    yield from _tree(project, version)
    yield from _pinned(project)


def _is_version(text: str) -> bool:
    try:
        return len(Version(text).release) == 3
    except InvalidVersion:
        return False


def _changelog(version: str, changes: dict[str, tuple[str, str]]) -> Iterator[Said]:
    day, content = changes.get(version, ("", ""))
    yield (
        "CHANGELOG.md tells of it",
        bool(content),
        f"section [{version}]: {'there' if content else 'missing or empty'}",
    )
    try:
        dated = bool(day) and date.fromisoformat(day) <= datetime.now(UTC).date()
    except ValueError:
        dated = False
    yield "its section has a day", dated, day or "none: ## [VERSION] - YEAR-MONTH-DAY"
    waiting = changes.get("Unreleased", ("", ""))[1]
    said = "everything is in a version" if not waiting else f"{len(waiting.splitlines())} lines wait in [Unreleased]"
    yield "nothing is unreleased", not waiting, said


def _tree(project: Path, version: str) -> Iterator[Said]:
    changed = _git(project, "status", "--porcelain", "--untracked-files=no")
    if changed is None:
        yield "it is a commit", False, "this is no git repository"
        return
    yield "it is a commit", not changed, f"{len(changed.splitlines())} files differ from it" if changed else "all of it"
    tagged, head = _git(project, "rev-parse", f"v{version}^{{commit}}"), _git(project, "rev-parse", "HEAD")
    free = tagged is None or tagged == head
    where = "free or here" if free else f"at {str(tagged)[:12]} already"
    yield "its tag is free", free, f"v{version} is {where}"


def _git(project: Path, *words: str) -> str | None:
    done = subprocess.run(["git", *words], cwd=project, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def _pinned(project: Path) -> Iterator[Said]:
    rows = [(role, row) for role, row in catalog().images.items() if row.published and row.digest]
    dateless = [role for role, row in rows if not re.search(r"20\d\d|commit [0-9a-f]{7,}", row.source or "")]
    told = f"{len(rows)} images with digest" + (f"; no day or commit: {', '.join(dateless)}" if dateless else "")
    yield "pins of images say when they were read", bool(rows) and not dateless, told
    for path in sorted(project.glob("Pulumi.?*.yaml")):
        stack = path.name.split(".")[1]
        try:
            settings = load(stack, project)
            loose = settings.unpinned() if settings.environment == "prod" else []
        except SettingsError as error:
            loose = [str(error).splitlines()[0]]
        yield f"stack {stack} is pinned", not loose, "; ".join(loose) or "everything by its digest, or for development"


def run(console: Console, project: Path = PROJECT) -> int:
    """Print the checks and write what the release holds below .slm/release. Gives the exit code: 1 when one fails."""
    shown, failed = Table("check", "state", "why"), 0
    for name, holds, why in checks(project):
        failed += not holds
        shown.add_row(name, "[green]pass[/green]" if holds else "[red]fail[/red]", why)
    console.print(shown)
    version, folder = parts.version(project), project / STATE_DIRECTORY / "release"
    folder.mkdir(parents=True, exist_ok=True)
    sbom = folder / f"slm-stacks-{version}.cdx.json"
    sbom.write_text(bill(project, version, datetime.now(UTC)))
    images = folder / f"slm-stacks-{version}-images.json"
    images.write_text(json.dumps(_catalogue(), indent=1) + "\n")
    console.print(f"written: {sbom.relative_to(project)}, {images.relative_to(project)}", highlight=False)
    return 1 if failed else 0


def _catalogue() -> list[dict[str, str]]:
    """The published images as they are pinned, each with the place and the day it was read from."""
    return [
        {"role": role, "image": row.pinned, "source": row.source or ""}
        for role, row in sorted(catalog().images.items())
        if row.pinned
    ]
