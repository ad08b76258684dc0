"""How the Pulumi program ends when it is interrupted, and when it fails: in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

PROGRAM = """
from components.program import end_quietly_when_cancelled
end_quietly_when_cancelled()
raise {}
"""


def ended_with(error: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM.format(error)]
    return subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60)


def test_a_program_that_pulumi_interrupts_says_nothing() -> None:
    done = ended_with("KeyboardInterrupt")
    assert done.returncode != 0
    assert done.stdout + done.stderr == ""


def test_any_other_end_is_told_as_ever() -> None:
    done = ended_with("ValueError('of ours')")
    assert done.returncode == 1
    assert "ValueError: of ours" in done.stderr
