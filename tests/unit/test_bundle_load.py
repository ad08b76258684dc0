"""`make load`: what is put where, and what a load that does not end leaves."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.unit.bundle_samples import ITEMS, LONG, NEW, NEWEST, OLD, STACK, Bench
from tools.errors import ToolError
from tools.load import command as command_line
from tools.load import manifest, programs
from tools.load.site import CONTENT, around
from tools.places import CHECKOUT

pytestmark = pytest.mark.unit


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def loaded(tmp_path: Path) -> Bench:
    return Bench(tmp_path).loaded()


def test_a_bundle_becomes_a_release_whose_state_is_the_machines_own(loaded: Bench) -> None:
    current = loaded.site.current
    assert os.readlink(current) == f"releases/{NEW}"
    assert (current / "Makefile").read_bytes() == b"up:\n\ttrue\n"
    assert (current / "tools/run.sh").stat().st_mode & 0o111
    assert (current / LONG.removeprefix("program/")).read_bytes() == b"a long name\n"
    assert (current / CONTENT / "weights/abc/model.gguf").stat().st_size == 1280
    assert (current / ".slm").resolve() == loaded.site.state
    assert loaded.site.state.stat().st_mode & 0o777 == 0o700
    assert around(current.resolve()) is not None
    assert around(CHECKOUT) is None


def test_tools_are_put_where_the_installer_looks_and_those_that_are_there_are_left_alone(bench: Bench) -> None:
    there = bench.cache / "tools/pulumi/3.259.0-cad8b701/pulumi"
    bench.load(bench.bundle(OLD), bench.public)
    assert there.read_bytes() == b"a program"
    assert there.stat().st_mode & 0o111
    there.write_bytes(b"as it was")
    bench.load(bench.bundle(NEW))
    assert there.read_bytes() == b"as it was"
    assert list(bench.cache.rglob(".part-*")) == []


def test_the_next_bundle_takes_its_place_and_the_one_before_is_kept(loaded: Bench) -> None:
    (loaded.site.state / "mine").write_text("state")
    loaded.load(loaded.bundle(NEWEST))
    assert (loaded.site.current / ".slm/mine").read_text() == "state"
    assert {path.name for path in loaded.site.releases.iterdir()} == {NEW, NEWEST}
    third = "20261128T120000Z-0123456789ab"
    loaded.load(loaded.bundle(third))
    assert {path.name for path in loaded.site.releases.iterdir()} == {NEWEST, third}


def test_the_same_bundle_again_changes_nothing(loaded: Bench) -> None:
    before = loaded.site.current.resolve().stat().st_ino
    loaded.load(loaded.bundle())
    assert loaded.site.current.resolve().stat().st_ino == before


def test_it_also_runs_as_one_file_with_nothing_but_the_standard_library(bench: Bench) -> None:
    file, alone = bench.bundle(), bench.folder / "alone"
    alone.mkdir()
    with tarfile.open(file) as tar:
        tar.extract("load.pyz", alone, filter="data")
    command = [sys.executable, "-I", "-S", str(alone / "load.pyz"), str(file), "--key", bench.public]
    environment = {"PATH": os.environ["PATH"], "HOME": str(alone), "SLM_CACHE": str(bench.cache)}
    done = subprocess.run(command, env=environment, cwd=alone, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"make up STACK={STACK}" in done.stderr
    assert "not in the bundle: a key" in done.stderr
    assert (alone / "slm-stacks/current/Makefile").exists()


def test_an_old_python_hears_what_to_install(tmp_path: Path) -> None:
    ast.parse((CHECKOUT / "tools/load/__main__.py").read_text(), feature_version=(3, 7))
    old = "import runpy, sys; sys.version_info = (3, 9, 2); sys.argv = ['load.pyz', 'x']; "
    old += "runpy.run_module('tools.load', run_name='__main__', alter_sys=False)"
    command = [sys.executable, "-c", old]
    done = subprocess.run(command, cwd=CHECKOUT, env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: Python 3.11 or newer is needed; python3 is 3.9.2"), done.stderr


def test_it_uses_the_standard_library_only() -> None:
    files = [*(CHECKOUT / "tools/load").glob("*.py"), CHECKOUT / "tools/errors.py", CHECKOUT / "ops/audit/notes.py"]
    own = {"ops", "tools"}
    for path in files:
        tree = ast.parse(path.read_text())
        names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names | own, path


def test_any_program_that_knows_tar_reads_the_archive(bench: Bench) -> None:
    with tarfile.open(bench.bundle()) as tar:
        members = tar.getmembers()
    assert [m.name for m in members] == ["manifest.json", "manifest.json.sig", *(item.name for item in ITEMS)]
    assert {(m.mtime, m.uid, m.uname, m.isreg()) for m in members} == {(0, 0, "", True)}
    assert {m.name for m in members if m.mode == 0o755} == {item.name for item in ITEMS if item.executable}


def test_a_load_that_is_interrupted_leaves_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(programs.shutil, "copytree", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bench.load(bench.bundle(), bench.public)
    assert not bench.site.folder.exists()
    assert [path for path in bench.cache.rglob("*") if path.is_file()] == []


def test_what_a_killed_load_left_is_removed_by_the_next(loaded: Bench) -> None:
    left = loaded.site.releases / ".part-killed"
    shutil.copytree(loaded.site.current.resolve(), left, symlinks=True)
    loaded.load(loaded.bundle(NEWEST))
    assert not left.exists()


def test_two_loads_at_once_do_not_meet(loaded: Bench) -> None:
    with loaded.site.changing(), pytest.raises(ToolError, match="another load into"):
        loaded.load(loaded.bundle(NEWEST))


def test_the_command_says_an_error_on_one_screen(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main([str(bench.bundle()), "--into", str(bench.site.folder)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: the bundle is signed by an unknown key")
    assert "fix:" in said
    assert "Traceback" not in said


def test_a_manifest_says_the_same_before_and_after(bench: Bench) -> None:
    assert manifest.read(bench.manifest().text()) == bench.manifest()
