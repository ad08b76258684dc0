"""The installer: which way it takes, what it leaves behind when it is stopped, and that it does nothing twice."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from rich.console import Console

from tests.unit.tools_publisher import LINUX, PULUMI_STAND_IN, Publisher, a_tool, archive, publisher
from tools import environment
from tools.builder import Builder
from tools.errors import ToolError
from tools.installer import Installer
from tools.progress import Display
from tools.table import Tool, load

pytestmark = pytest.mark.unit

Make = Callable[..., Installer]


@pytest.fixture
def site() -> Iterator[Publisher]:
    with publisher() as running:
        yield running


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Builds write one file, and are counted."""
    names: list[str] = []

    def build(self: Builder, tool: Tool, target: Path, note: object) -> None:
        names.append(tool.name)
        (target / tool.executable).write_text(PULUMI_STAND_IN)
        (target / tool.executable).chmod(0o755)

    monkeypatch.setattr(Builder, "build", build)
    return names


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def installer(*tools: Tool) -> Installer:
        table = {t.name: t for t in tools} | {"go": load()["go"]}
        shown = Display(Console(file=io.StringIO(), width=100))
        return Installer(cache=tmp_path, table=table, platform=LINUX, display=shown)

    return installer


def publish(site: Publisher, name: str, *files: str) -> None:
    content = archive({file: PULUMI_STAND_IN.encode() for file in files})
    site.publish(f"{name}-v1.2.3-linux-amd64.tar.gz", content, f"{name}-1.2.3-checksums.txt")


def shown(installer: Installer) -> str:
    file = installer.display.console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_the_publishers_download_is_taken_where_it_can_be_reached(
    site: Publisher, make: Make, built: list[str]
) -> None:
    publish(site, "tool", "tool")
    installer = make(a_tool(site.url))
    installer.ensure()
    assert installer.origin("tool")["way"] == "official"
    assert built == []
    assert os.access(installer.programs / "tool", os.X_OK)
    assert list((installer.cache / "partial").iterdir()) == [], "the archive is not kept once it is unpacked"


def several(url: str, **columns: object) -> Tool:
    """A tool of two programs, which its publisher offers each by itself."""
    official = {"programs": [f"{url}/{{version}}/{{program}}"], "checksums": [f"{url}/{{version}}/{{program}}.sha256"]}
    return a_tool(companions=["other"], official=official, **columns)


def test_programs_that_are_published_alone_lie_in_one_folder(site: Publisher, make: Make, built: list[str]) -> None:
    for name in ("tool", "other"):
        content = f"#!/bin/sh\necho {name}\n".encode()
        site.files[f"/1.2.3/{name}"] = content
        site.files[f"/1.2.3/{name}.sha256"] = hashlib.sha256(content).hexdigest().encode()
    installer = make(several(site.url))
    installer.ensure()
    assert built == []
    for name in ("tool", "other"):
        assert subprocess.run([installer.folder("tool") / name], capture_output=True, text=True).stdout == f"{name}\n"
    assert list((installer.cache / "partial").iterdir()) == []


def test_a_program_that_is_not_published_makes_the_whole_tool_be_built(site: Publisher, make: Make) -> None:
    asked: list[str] = []

    def build(self: Builder, tool: Tool, target: Path, note: object) -> None:
        asked.append(tool.name)

    site.files["/1.2.3/tool"] = b"one"
    site.files["/1.2.3/tool.sha256"] = hashlib.sha256(b"one").hexdigest().encode()
    installer = make(several(site.url))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Builder, "build", build)
        installer.ensure()
    assert asked == ["tool"]
    assert "answers 404" in shown(installer)


def test_a_group_is_installed_when_it_is_asked_for_and_not_before(make: Make, built: list[str]) -> None:
    installer = make(a_tool(), a_tool(name="extra", group="rehearsal", default=False, on_path=False))
    installer.ensure()
    assert built == ["tool"]
    assert installer.group("rehearsal") == ["extra"]
    installer.ensure(installer.group("rehearsal"))
    assert built == ["tool", "extra"]


def test_without_the_publisher_the_tool_is_built_and_the_reason_said(make: Make, built: list[str]) -> None:
    with publisher() as gone:
        url = gone.url
    installer = make(a_tool(url))
    installer.ensure()
    assert installer.origin("tool")["way"] == "build"
    assert built == ["tool"]
    assert "to be built from packages, because 127.0.0.1" in shown(installer)


def test_a_wrong_checksum_is_not_papered_over_by_a_build(site: Publisher, make: Make, built: list[str]) -> None:
    publish(site, "tool", "tool")
    site.files["/tool-v1.2.3-linux-amd64.tar.gz"] += b"?"
    installer = make(a_tool(site.url))
    with pytest.raises(ToolError, match="another checksum than its publisher says"):
        installer.ensure()
    assert built == []
    assert [p for p in installer.cache.rglob("*") if p.is_file() and p.name != ".lock"] == []


def test_what_is_there_is_not_installed_again_and_no_one_is_asked(
    site: Publisher, make: Make, built: list[str]
) -> None:
    publish(site, "tool", "tool")
    make(a_tool(site.url)).ensure()
    site.asked.clear()
    make(a_tool(site.url)).ensure()
    assert site.asked == []


def test_a_new_version_is_installed_beside_the_old_one(make: Make, built: list[str]) -> None:
    make(a_tool()).ensure()
    newer = make(a_tool(version="1.2.4"))
    newer.ensure()
    assert built == ["tool", "tool"]
    assert len(list((newer.cache / "tools" / "tool").glob("1.2.*"))) == 2


def test_an_interrupted_build_leaves_no_half_tool_and_the_next_run_builds_it(
    make: Make, built: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(self: Builder, tool: Tool, target: Path, note: object) -> None:
        (target / "half").write_text("of it")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Builder, "build", stop)
        with pytest.raises(KeyboardInterrupt):
            make(a_tool()).ensure()
    assert not list((make(a_tool()).cache / "tools" / "tool").iterdir())
    make(a_tool()).ensure()
    assert built == ["tool"]


def test_gos_caches_go_when_all_is_done_and_stay_when_it_is_not(
    make: Make, built: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Builder, tool: Tool, target: Path, note: object) -> None:
        raise ToolError("no")

    installer = make(a_tool())
    module = installer.cache / "go" / "mod" / "m.zip"
    module.parent.mkdir(parents=True)
    module.touch()
    with monkeypatch.context() as patch:
        patch.setattr(Builder, "build", fail)
        with pytest.raises(ToolError):
            installer.ensure()
    assert module.exists()
    left = installer.cache / ".gone-before" / "m.zip"
    left.parent.mkdir()
    left.touch()
    installer.ensure()
    assert not (installer.cache / "go").exists()
    end = time.monotonic() + 60
    while list(installer.cache.glob(".gone-*")):
        assert time.monotonic() < end, "what an earlier run began to remove is removed as well, without anybody waiting"
        time.sleep(0.05)


def test_what_a_killed_run_left_is_cleared_away(make: Make, built: list[str]) -> None:
    installer = make(a_tool())
    left = installer.cache / "tools" / "tool" / ".part-killed"
    left.mkdir(parents=True)
    installer.ensure()
    assert not left.exists()


def test_a_second_installation_waits_for_the_first(make: Make, built: list[str]) -> None:
    installer = make(a_tool())
    (installer.cache / "tools").mkdir(parents=True)
    first = FileLock(installer.cache / "tools" / ".lock")
    first.acquire()
    waiting = threading.Thread(target=installer.ensure)
    waiting.start()
    end = time.monotonic() + 60
    while "another installation is running" not in shown(installer):
        assert time.monotonic() < end, "it does not say that it waits"
        time.sleep(0.02)
    waiting.join(0.3)
    assert waiting.is_alive()
    assert built == []
    first.release()
    waiting.join(60)
    assert built == ["tool"]


def test_a_tool_of_another_ones_archive_is_not_built(site: Publisher, make: Make, built: list[str]) -> None:
    publish(site, "tool", "tool", "companion")
    installer = make(a_tool(site.url), a_tool(name="companion", executable="companion", included_with="tool"))
    installer.ensure()
    assert built == []
    assert {p.name for p in installer.programs.iterdir()} >= {"tool", "companion"}


def test_a_tool_of_another_ones_archive_is_built_when_that_one_is(make: Make, built: list[str]) -> None:
    installer = make(a_tool(), a_tool(name="companion", executable="companion", included_with="tool"))
    installer.ensure()
    assert sorted(built) == ["companion", "tool"]


def test_a_plugin_is_handed_to_pulumi_once_and_again_when_it_is_gone(make: Make, built: list[str]) -> None:
    plugin = a_tool(name="pulumi-resource-x", executable="pulumi-resource-x", plugin="x", on_path=False)
    installer = make(a_tool(name="pulumi", executable="pulumi"), plugin)
    installer.ensure()
    there = installer.cache / "pulumi-home" / "plugins" / "resource-x-v1.2.3" / "pulumi-resource-x"
    assert there.exists()
    assert installer.missing() == []
    for file in there.parent.iterdir():
        file.unlink()
    assert installer.missing() == ["pulumi-resource-x"]
    installer.ensure()
    assert there.exists()
    assert sorted(built) == ["pulumi", "pulumi-resource-x"], "nothing was built a second time"


def test_programs_on_path_are_the_files_themselves_so_that_pulumi_finds_its_host_beside_itself(
    make: Make, built: list[str]
) -> None:
    installer = make(a_tool())
    installer.ensure()
    assert not (installer.programs / "tool").is_symlink()
    assert (installer.programs / "tool").samefile(installer.folder("tool") / "tool")


def test_a_platform_without_tools_is_an_error_with_a_way_out(make: Make) -> None:
    installer = make(a_tool())
    installer.platform = LINUX.model_copy(update={"os": "win32"})
    with pytest.raises(ToolError, match="win32/amd64") as told:
        installer.ensure()
    assert "WSL 2" in str(told.value)


def test_the_environment_puts_tools_and_python_first_and_keeps_pulumi_at_home(
    make: Make, built: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/somewhere")
    installer = make(a_tool(name="pulumi", executable="pulumi"))
    installer.ensure()
    found = environment.toolchain_environment(installer)
    assert found["PATH"].split(":")[:3] == [str(installer.programs), str(environment.VENV / "bin"), "/somewhere"]
    assert found["PULUMI_HOME"] == str(installer.cache / "pulumi-home")
    assert found["PULUMI_SKIP_UPDATE_CHECK"] == "true"
    assert found["PYTHONDONTWRITEBYTECODE"] == "", "an image that has set it makes each start of a program slow"
    assert found["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true", "a built Pulumi has no site to ask"


def test_an_official_pulumi_may_fetch_plugins_by_itself(site: Publisher, make: Make, built: list[str]) -> None:
    publish(site, "pulumi", "pulumi")
    installer = make(a_tool(site.url, name="pulumi", executable="pulumi"))
    installer.ensure()
    assert "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION" not in environment.toolchain_environment(installer)
