"""actionlint, which knows what GitHub accepts, finds nothing in the workflows, and finds what is wrong."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.installer import Installer

pytestmark = pytest.mark.docker
PROJECT = Path(__file__).resolve().parents[2]
FILES = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))


def lint(*files: Path) -> subprocess.CompletedProcess[str]:
    # Without the two linters of scripts that it would look for on PATH: each script here is one make command.
    program = Installer().folder("actionlint") / "actionlint"
    command = [str(program), "-no-color", "-shellcheck=", "-pyflakes=", *map(str, files)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60)


def test_every_workflow_is_valid() -> None:
    assert len(FILES) == 6
    done = lint(*FILES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("was", "becomes", "words"),
    [
        ("timeout-minutes: 110", "timeout-minute: 110", "timeout-minute"),
        ("vars.SLM_REVIEW_RUNNER != ''", "varz.SLM_REVIEW_RUNNER != ''", "varz"),
        ("issues: write", "issue: write", "issue"),
        ('"41 2 * * *"', '"41 25 * * *"', "cron"),
    ],
)
def test_what_github_would_refuse_is_found(was: str, becomes: str, words: str, tmp_path: Path) -> None:
    text = next(path for path in FILES if path.stem == "sweep").read_text()
    assert was in text
    broken = tmp_path / "broken.yml"
    broken.write_text(text.replace(was, becomes, 1))
    done = lint(broken)
    assert done.returncode == 1
    assert words in done.stdout
