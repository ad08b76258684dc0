"""tools/bootstrap.py: what a person reads when Python, venv or the package index is missing, and that it is quick."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools import __main__ as command_line
from tools import bootstrap
from tools.bootstrap import Stop
from tools.places import CHECKOUT

pytestmark = pytest.mark.unit


def failed(*_: Any, **__: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess([], 1, "", "first line\nensurepip is not available\n")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose environment is up to date."""
    monkeypatch.setattr(bootstrap, "CHECKOUT", tmp_path)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    for name in ("uv.lock", "pyproject.toml"):
        (tmp_path / name).write_text("one")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch()
    (tmp_path / ".venv" / ".slm-stamp").write_text(bootstrap.stamp())
    return tmp_path


def test_an_old_python_goes_on_under_a_newer_one_of_path(monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(bootstrap, "newer_python", lambda: "/opt/python3.12")
    monkeypatch.setattr(bootstrap.os, "execv", lambda path, command: became.append(command))
    with pytest.raises(Stop):  # The real execv does not return.
        bootstrap.require_python()
    assert became == [["/opt/python3.12", *sys.argv]]


def test_an_old_python_alone_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(bootstrap, "newer_python", lambda: None)
    with pytest.raises(Stop, match=r"python3 is 3\.9\.2") as told:
        bootstrap.require_python()
    assert "apt-get install python3 python3-venv" in str(told.value)
    assert "brew install" in str(told.value)


def test_it_can_be_read_by_a_python_that_is_too_old() -> None:
    ast.parse((CHECKOUT / "tools" / "bootstrap.py").read_text(), feature_version=(3, 7))


def test_it_uses_the_standard_library_only() -> None:
    tree = ast.parse((CHECKOUT / "tools" / "bootstrap.py").read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def test_missing_venv_names_the_package_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "BASE", "/usr/bin/python3")
    monkeypatch.setattr(bootstrap.subprocess, "run", failed)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: "/usr/bin/apt-get")
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 1000)
    with pytest.raises(Stop, match="ensurepip is not available") as told:
        bootstrap.make_venv(tmp_path)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert f"sudo apt-get install python{version}-venv" in str(told.value)


def test_root_on_debian_gets_venv_installed_and_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        there = any("install" in earlier for earlier in ran)
        ran.append(command)
        return subprocess.CompletedProcess(command, 0 if there or command[0] == "apt-get" else 1, "", "no ensurepip")

    monkeypatch.setattr(bootstrap, "BASE", "/usr/bin/python3")
    monkeypatch.setattr(bootstrap.subprocess, "run", run)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: "/usr/bin/apt-get")
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 0)
    bootstrap.make_venv(tmp_path)
    assert [command[:2] for command in ran if command[0] == "apt-get"] == [
        ["apt-get", "update"],
        ["apt-get", "install"],
    ]
    assert "with apt-get" in capsys.readouterr().err


def test_an_unreachable_package_index_says_how_a_site_names_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make_venv(folder: Path) -> None:
        (folder / "bin").mkdir(parents=True)

    monkeypatch.setattr(bootstrap, "make_venv", make_venv)
    monkeypatch.setattr(bootstrap.subprocess, "run", failed)
    with pytest.raises(Stop, match="could not be fetched") as told:
        bootstrap.ensure_uv(tmp_path)
    assert "global.index-url" in str(told.value)
    assert "global.cert" in str(told.value)
    assert not bootstrap.uv_folder(tmp_path, bootstrap.uv_row()["version"]).exists()


def test_a_sites_own_index_and_authority_are_told_to_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = "global.cert='/etc/site.pem'\nglobal.index-url='https://mirror.example/simple'\n"
    monkeypatch.setattr(bootstrap.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, listed, ""))
    for name in ("PIP_INDEX_URL", "PIP_CERT", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    assert bootstrap.site_index() == {
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "SSL_CERT_FILE": "/etc/site.pem",
    }


def test_a_cache_that_cannot_be_written_names_it_and_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Stop, match="cannot be written") as told, bootstrap.only_one(tmp_path / "file" / "cache"):
        pass
    assert "SLM_CACHE" in str(told.value)


def test_an_environment_that_matches_the_lock_is_left_alone(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "sync", lambda *_: pytest.fail("it was installed again"))
    assert bootstrap.main([]) == 0


@pytest.mark.parametrize("name", ["uv.lock", "pyproject.toml", ".venv/bin/python"])
def test_an_environment_is_installed_again_when_something_changed(checkout: Path, name: str) -> None:
    assert bootstrap.up_to_date()
    if name.endswith("python"):
        (checkout / name).unlink()
    else:
        (checkout / name).write_text("two")
    assert not bootstrap.up_to_date()


def test_it_becomes_the_command_so_that_signals_and_exit_codes_are_the_commands(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr(bootstrap.os, "execv", lambda path, command: became.append(command))
    monkeypatch.chdir(checkout)
    bootstrap.main(["--tools", "--", "python", "-m", "ops", "up"])
    python = str(checkout / ".venv" / "bin" / "python")
    assert became == [[python, "-m", "tools", "run", "--tools", "--", "python", "-m", "ops", "up"]]


def test_a_rehearsal_is_asked_for_as_tools_and_engine_are(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr(bootstrap.os, "execv", lambda path, command: became.append(command))
    monkeypatch.chdir(checkout)
    bootstrap.main(["--tools", "--rehearsal", "--", "true"])
    assert became[0][1:] == ["-m", "tools", "run", "--tools", "--rehearsal", "--", "true"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], []),
        (["--tools"], [command_line.Installer().default]),
        (["--rehearsal"], [command_line.Installer().group("rehearsal")]),
        (["--monitoring"], [command_line.Installer().group("monitoring")]),
        (["--fleet"], [command_line.Installer().group("edge")]),
        (
            ["--tools", "--rehearsal"],
            [[*command_line.Installer().default, *command_line.Installer().group("rehearsal")]],
        ),
        (
            ["--rehearsal", "--node"],
            [[*command_line.Installer().group("rehearsal"), *command_line.Installer().group("rehearsal-node")]],
        ),
    ],
    ids=["neither", "tools", "rehearsal", "monitoring", "fleet", "both", "rehearsal and node"],
)
def test_what_is_asked_for_is_installed_in_one_go(
    monkeypatch: pytest.MonkeyPatch, options: list[str], expected: list[list[str]]
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(command_line, "no_node", lambda: "")
    monkeypatch.setattr(command_line.Installer, "ensure", lambda self, names: asked.append(list(names)))
    monkeypatch.setattr(sys, "argv", ["tools", "run", *options])
    assert command_line.main() == 0
    assert asked == expected


def test_a_real_node_is_not_installed_where_none_can_run_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(command_line.Installer, "ensure", lambda self, names: asked.append(list(names)))
    monkeypatch.setattr(command_line.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(command_line.sys, "platform", "linux")
    monkeypatch.setattr(sys, "argv", ["tools", "run", "--rehearsal", "--node"])
    assert command_line.main() == 0
    assert asked == [command_line.Installer().group("rehearsal")]
    assert "no kubelet and containerd: they take root" in capsys.readouterr().err


def test_an_interrupt_ends_with_130_and_says_how_to_go_on(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap, "up_to_date", stop)
    assert bootstrap.main([]) == 130
    assert "the same command goes on from here" in capsys.readouterr().err


def test_an_unknown_option_shows_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert bootstrap.main(["--toolz"]) == 2
    assert "usage:" in capsys.readouterr().err


def test_a_fleet_takes_no_ssh_server_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.openssh.ensure", lambda _: pytest.fail("it is for the hosts of the tests"))
    monkeypatch.setattr(command_line.Installer, "ensure", lambda self, names: None)
    monkeypatch.setattr(sys, "argv", ["tools", "run", "--fleet"])
    assert command_line.main() == 0


def test_a_checkout_that_came_in_a_bundle_installs_from_it_and_asks_nobody(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        return subprocess.CompletedProcess(command, 0, "global.index-url='https://mirror.example/simple'\n", "")

    wheels = checkout / ".bundle/wheels"
    wheels.mkdir(parents=True)
    monkeypatch.setattr(bootstrap, "WHEELS", wheels)
    monkeypatch.setattr(bootstrap.subprocess, "run", run)
    bootstrap.sync(Path("uv"), checkout / "cache")
    export, sync = (command for command in ran if command[0] == "uv")
    assert "--offline" in export
    assert "--no-dev" in export
    assert f"--offline --no-index --find-links {wheels} --require-hashes" in " ".join(sync)


def test_a_commands_exit_code_comes_through(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools", "run", "--", "python", "-c", "import sys; sys.exit(7)"]
    assert subprocess.run(command, cwd=CHECKOUT).returncode == 7


def test_a_command_that_is_not_there_is_one_sentence() -> None:
    command = [sys.executable, "-m", "tools", "run", "--", "no-such-command"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "error: no-such-command cannot be run: No such file or directory\n")


def test_an_interrupted_installation_ends_with_130_and_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line.Installer, "ensure", stop)
    monkeypatch.setattr(sys, "argv", ["tools", "setup"])
    assert command_line.main() == 130
    assert "the same command goes on from here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["setup", "nothing"], 1, "error: tools.toml has no nothing\n"),
        (["setup", "--bad"], 2, "error: No such option: --bad; see python -m tools --help\n"),
    ],
    ids=["unknown tool", "unknown option"],
)
def test_a_mistyped_command_is_one_error_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, text: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["tools", *arguments])
    assert command_line.main() == code
    assert text in capsys.readouterr().err


def test_every_make_target_is_listed_by_make_help() -> None:
    listed = subprocess.run(
        ["make", "-s", "--no-print-directory", "help"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout
    text = (CHECKOUT / "Makefile").read_text().split(".PHONY: ")[1].splitlines()[0]
    assert sorted(line.split()[1] for line in listed.splitlines()) == sorted(text.split())
