"""One image is built once, whoever asks for it at the same time."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock
from rich.console import Console

from components.catalog import catalog
from ops.images.build import Builder

pytestmark = pytest.mark.unit

ROW = catalog().images["haproxy"]


class Counted(Builder):
    """Builds nothing: notes that it would, and finds what another command has built meanwhile."""

    built = 0
    there: str | None = None

    def present(self, role: str, row: object) -> str | None:
        return self.there

    def _build(self, role: str, row: object) -> str:
        self.built += 1
        return "sha256:mine"


def test_what_another_command_builds_is_waited_for_and_not_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLM_CACHE", str(tmp_path))
    said = io.StringIO()
    builder = Counted(None, Console(width=200, file=said))  # type: ignore[arg-type]
    begun = threading.Event()

    def other() -> None:
        with FileLock(tmp_path / "images.lock"):
            begun.set()
            # Until somebody waits for it, however late that is.
            end = time.monotonic() + 60
            while not said.getvalue() and time.monotonic() < end:
                time.sleep(0.02)
            builder.there = "sha256:theirs"

    thread = threading.Thread(target=other)
    thread.start()
    assert begun.wait(60)
    assert builder.build("haproxy", ROW) == "sha256:theirs"
    thread.join()
    assert builder.built == 0
    assert "another command builds images" in said.getvalue()


def test_a_build_may_need_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLM_CACHE", str(tmp_path / "new"))

    class Child(Counted):
        def _build(self, role: str, row: object) -> str:
            if role == "child":
                self.build("parent", ROW)
            return super()._build(role, row)

    builder = Child(None, Console(quiet=True))  # type: ignore[arg-type]
    assert builder.build("child", ROW) == "sha256:mine"
    assert builder.built == 2
