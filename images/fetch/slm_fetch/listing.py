"""From what a source lists to what is fetched: the listing is somebody else's and is not trusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from slm_fetch.names import clash, format_of, leaves_folder, skip_reason
from slm_fetch.plan import Plan, SourceFailed, Wanted

MOST_FILES = 500
"""More files than any model's folder has."""
MOST_ENTRIES = 20_000
"""More entries than are read from one listing."""
SLACK = 64 * 1024 * 1024
"""Bytes of tokenizer and settings that a model's stated size may leave out."""

Tell = Callable[[int], None]


@dataclass(frozen=True)
class Offer:
    """What a source has of a folder. `fetch` completes one file's partial file, telling the bytes it has so far."""

    files: tuple[Wanted, ...]
    fetch: Callable[[Wanted, Path, Tell], None]
    skipped: dict[str, str] = field(default_factory=dict)
    revision: str | None = None


def complete(plan: Plan) -> bool:
    """Whether the plan alone says which files there are, how large, and with which sha256."""
    return bool(plan.files) and all(file.size is not None and file.sha256 for file in plan.files)


def chosen(plan: Plan, listed: Sequence[Wanted], where: str) -> tuple[tuple[Wanted, ...], dict[str, str]]:
    """The files to fetch and, with the reason, those left out. Raises SourceFailed."""
    if len(listed) > MOST_ENTRIES:
        raise SourceFailed(f"{where} lists more than {MOST_ENTRIES} files; name a sub-folder")
    for file in listed:
        if leaves_folder(file.path):
            raise SourceFailed(f"{where} lists the path {file.path[:80]!r}, which leaves its folder: nothing is taken")
    if plan.files:
        return tuple(_known(file, listed, where) for file in plan.files), {}
    paths = [file.path for file in listed]
    skipped = {path: reason for path in paths if (reason := skip_reason(path, plan.format, paths))}
    files = tuple(file for file in listed if file.path not in skipped)
    if not files or (plan.format and all(format_of(file.path) != plan.format for file in files)):
        raise SourceFailed(f"{where} holds no {plan.format or 'weights'} files ({len(skipped)} of other kinds)")
    if len(files) > MOST_FILES:
        raise SourceFailed(f"{where} holds {len(files)} files, and a model has at most {MOST_FILES}; name a sub-folder")
    if doubled := clash(file.path for file in files):
        raise SourceFailed(f"{where} lists {doubled} as a file and as a folder, or twice: nothing is taken")
    total = sum(file.size or 0 for file in files)
    if total > plan.size * 1.2 + SLACK:
        raise SourceFailed(
            f"{where} holds {total / 1e9:.1f} GB, and the model's weights are stated as {plan.size / 1e9:.1f} GB: it"
            " holds more than these weights. Name a sub-folder or the files, or correct size_bytes"
        )
    return files, skipped


def one(plan: Plan, listed: Sequence[Wanted], path: str, where: str) -> Wanted:
    """The planned file of a one-file layout, which lies at `path` in the listing. Raises SourceFailed."""
    return replace(_known(replace(plan.files[0], path=path), listed, where), path=plan.file)


def _known(planned: Wanted, listed: Sequence[Wanted], where: str) -> Wanted:
    """What plan and listing together say of a file. Raises SourceFailed where they contradict each other."""
    found = next((file for file in listed if file.path == planned.path), None)
    if found is None:
        raise SourceFailed(f"{where} has no file {planned.path}; check its name, or run make pin")
    if planned.sha256 and found.sha256 and planned.sha256 != found.sha256:
        raise SourceFailed(
            f"{where} offers {planned.path} with the sha256 {found.sha256}, and the pinned one is {planned.sha256}"
        )
    if planned.size is not None and found.size is not None and planned.size != found.size:
        raise SourceFailed(f"{where} offers {planned.path} with {found.size} bytes, and {planned.size} are expected")
    return replace(
        found, sha256=planned.sha256 or found.sha256, size=planned.size if found.size is None else found.size
    )
