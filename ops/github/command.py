"""`make comment`, `make issue` and `make open-prs`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from ops.errors import UserError
from ops.github.api import GitHub


def comment(number: int, file: Path, console: Console, api: Callable[[], GitHub] = GitHub.of) -> None:
    """Write a file as a pull request's comment. Raises UserError."""
    body = _text(file)
    _with(api, lambda github: github.comment(number, body))
    console.print(f"pull request {number} was told", highlight=False)


def issue(title: str, file: Path, console: Console, api: Callable[[], GitHub] = GitHub.of) -> None:
    """Write a file as an issue. Raises UserError."""
    if not title.strip():
        raise UserError("the issue has no title", harm="nothing was written", fix="TITLE=… make issue FILE=path")
    body = _text(file)
    _with(api, lambda github: github.issue(title.strip()[:200], body))
    console.print("the issue is written", highlight=False)


def open_pull_requests(file: Path, console: Console, api: Callable[[], GitHub] = GitHub.of) -> None:
    """Write the numbers of open pull requests as JSON, for make sweep OPEN=file. Raises UserError."""
    numbers: list[int] = []
    _with(api, lambda github: numbers.extend(github.open_pull_requests()))
    file.write_text(json.dumps(sorted(numbers)) + "\n", encoding="utf-8")
    console.print(f"{len(numbers)} pull requests are open", highlight=False)


def _with(api: Callable[[], GitHub], do: Callable[[GitHub], object]) -> None:
    github = api()
    try:
        do(github)
    finally:
        github.close()


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{file} cannot be read ({type(error).__name__})",
            harm="nothing was written",
            fix="the step that writes it has failed: look there",
        ) from None
