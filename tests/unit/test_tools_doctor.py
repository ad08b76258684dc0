"""`make doctor`: says for each tool what was found, what is wanted and how it will be got."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from tests.unit.tools_publisher import LINUX, a_tool, publisher
from tools import doctor
from tools.docker_engine import Engine
from tools.installer import Installer
from tools.table import load

pytestmark = pytest.mark.unit

READY = Engine("ready", "unix:///var/run/docker.sock", "29.1.0", "2", memory_mib=4096, cpus=4, notes=("rootless",))


def how(installer: Installer, name: str) -> str:
    return next(row[3] for row in doctor.tool_rows(installer) if row[0] == name)


def test_every_tool_of_the_table_is_listed_with_the_version_wanted(tmp_path: Path) -> None:
    with publisher() as gone:
        pass
    table = {n: t.model_copy(update={"official": a_tool(gone.url).official}) for n, t in load().items()}
    rows = {row[0]: row for row in doctor.tool_rows(Installer(cache=tmp_path, table=table))}
    assert set(load()) < set(rows)
    for name, tool in load().items():
        assert rows[name][2] == tool.version
        assert len(rows[name]) == 5


def test_a_missing_tool_says_download_where_its_publisher_answers(tmp_path: Path) -> None:
    with publisher() as site:
        site.files["/tool-1.2.3-checksums.txt"] = f"{'0' * 64}  tool\n".encode()
        assert how(Installer(tmp_path, {"tool": a_tool(site.url)}, LINUX), "tool") == "official download"


def test_a_missing_tool_says_build_where_its_publisher_does_not_answer(tmp_path: Path) -> None:
    with publisher() as gone:
        pass
    tool = a_tool(gone.url, default=False)
    assert how(Installer(tmp_path, {"tool": tool}, LINUX), "tool") == "build from packages, when needed"


def test_an_installed_tool_says_where_it_came_from(tmp_path: Path) -> None:
    installer = Installer(tmp_path, {"tool": a_tool()}, LINUX)
    installer.folder("tool").mkdir(parents=True)
    (installer.folder("tool") / "origin.json").write_text('{"way": "build", "on": "2026-11-23"}')
    assert how(installer, "tool") == "present (built from packages, 2026-11-23)"


def test_the_engines_rows_name_version_control_groups_and_notes() -> None:
    rows = doctor.engine_rows(READY)
    assert ("version", "29.1.0") in rows
    assert ("control groups", "version 2") in rows
    assert ("note", "rootless") in rows


def test_an_engine_that_is_not_ready_is_listed_with_the_fix() -> None:
    rows = dict(doctor.engine_rows(Engine("forbidden", "unix:///var/run/docker.sock")))
    assert "usermod -aG docker" in rows["fix"]


def test_models_are_judged_by_the_engines_memory_not_the_machines() -> None:
    assert {row[3] for row in doctor.model_rows(READY) if row[0] == "phi4-mini"} == {"not enough memory"}
    large = Engine("ready", READY.host, memory_mib=65536)
    assert {row[3] for row in doctor.model_rows(large) if row[0] == "phi4-mini"} <= {"runs here", "not enough disk"}


def test_a_gpu_without_the_container_toolkit_is_called_unusable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    assert "containers cannot use it" in doctor.gpus(lambda path: True)
    assert "none" in doctor.gpus(lambda path: False)


def test_free_disk_is_told_for_a_place_that_does_not_exist_yet(tmp_path: Path) -> None:
    assert doctor.free(tmp_path / "not" / "yet") == pytest.approx(doctor.free(tmp_path), rel=0.01)


def test_the_report_fits_eighty_columns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SLM_CACHE", str(tmp_path))
    monkeypatch.setattr(doctor, "Installer", lambda: Installer(tmp_path, {"tool": a_tool()}, LINUX))
    monkeypatch.setattr(doctor.docker_engine, "diagnose", lambda: READY)
    output = io.StringIO()
    doctor.report(Console(file=output, width=80))
    text = output.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    for title in ("Tools", "Docker engine", "This machine", "Models it can run"):
        assert title in text
