"""Brings the tools of the table onto this machine: each downloaded from its publisher, or built, once per version."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from filelock import FileLock, Timeout

from tools import processes
from tools.builder import Builder
from tools.errors import ToolError
from tools.official import Downloads, Unreachable, unpack
from tools.places import CHECKOUT, cache_directory, pulumi_home
from tools.progress import Display
from tools.staging import ORIGIN, Staging, discard
from tools.table import Platform, Tool, load


@dataclass
class Installer:
    """The tools of one table in one cache."""

    cache: Path = field(default_factory=cache_directory)
    table: dict[str, Tool] = field(default_factory=load)
    platform: Platform = field(default_factory=Platform.here)
    display: Display = field(default_factory=Display)

    def __post_init__(self) -> None:
        self.downloads = Downloads(self.cache / "partial")
        self.builder = Builder(self.cache, self.table, self._need)

    def folder(self, name: str) -> Path:
        """Where the tool lies, or will."""
        return self.table[name].folder(self.cache, self.platform)

    def origin(self, name: str) -> dict[str, str]:
        """How an installed tool was got (`way`, `from`, `seconds`); empty when it is not installed."""
        try:
            return dict(json.loads((self.folder(name) / ORIGIN).read_text()))
        except (OSError, ValueError):
            return {}

    @property
    def default(self) -> list[str]:
        """The tools that every deployment needs."""
        return [t.name for t in self.table.values() if t.default]

    def group(self, name: str) -> list[str]:
        """The tools of that group."""
        return [t.name for t in self.table.values() if t.group == name]

    @property
    def programs(self) -> Path:
        """The directory for PATH. Hard links, so that Pulumi finds its language host beside itself."""
        folders = [str(self.folder(t.name).relative_to(self.cache)) for t in self._on_path()]
        return self.cache / "tools" / f"bin-{sha256(' '.join(folders).encode()).hexdigest()[:8]}"

    def missing(self, names: Iterable[str] | None = None) -> list[str]:
        """Which of the tools (the default ones) are not ready for use."""
        return [n for n in (names or self.default) if not self.ready(n)]

    def ready(self, name: str) -> bool:
        """Whether the tool is there, on PATH if it belongs there, and known to Pulumi if it is a plugin."""
        tool = self.table[name]
        if not (self.folder(name) / ORIGIN).exists():
            return False
        if tool.plugin:
            return self._plugin_mark(tool).exists() and self._plugin_mark(tool).read_text() == self.folder(name).name
        return self.programs.exists() if tool.on_path else True

    def ensure(self, names: Iterable[str] | None = None) -> None:
        """Install what is missing. Raises ToolError when something cannot be had; what was done by then is kept."""
        wanted = list(names or self.default)
        if not self.missing(wanted):
            return
        if self.platform.os not in ("linux", "darwin") or self.platform.arch not in ("amd64", "arm64"):
            raise ToolError(
                f"No tools are known for {self.platform.os}/{self.platform.arch}",
                fix="use Linux or macOS on amd64 or arm64; on Windows, WSL 2",
            )
        (self.cache / "tools").mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.cache / "tools" / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            self.display.say("another installation is running; waiting for it")
            lock.acquire()
        try:
            with self.display:
                self._install([n for n in wanted if not (self.folder(n) / ORIGIN).exists()])
                if not self.programs.exists() and all((self.folder(t.name) / ORIGIN).exists() for t in self._on_path()):
                    self._assemble()
                for name in wanted:
                    if self.table[name].plugin and not self.ready(name):
                        self._add_plugin(self.table[name])
                self._clear_away()
        except KeyboardInterrupt:
            processes.stop_all()
            raise
        finally:
            lock.release()

    def _install(self, names: list[str]) -> None:
        for leftover in (self.cache / "tools").glob("*/.part-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        names = sorted(names, key=lambda n: bool(self.table[n].included_with))
        to_build: list[str] = []
        with ThreadPoolExecutor(max_workers=3) as pool:
            asked: dict[Future[bool], str] = {}
            try:
                for name in names:
                    if self.table[name].official:
                        asked[pool.submit(self._official, name)] = name
                    elif not self.table[name].included_with:
                        to_build.append(name)
                to_build += [asked[answer] for answer in as_completed(asked) if not answer.result()]
                to_build += [n for n in names if self.table[n].included_with and not self._came_along(n)]
                if not to_build:
                    return
                self._go_first(to_build)
                fetched = {pool.submit(self._prefetch, n): n for n in to_build}
                for future in as_completed(fetched):
                    future.result()
                    self._build(fetched[future])
            except BaseException:
                processes.stop_all()
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _official(self, name: str) -> bool:
        """Install the publisher's download. False when it cannot be had here."""
        tool = self.table[name]
        if tool.official is None:
            return False
        with self.display.step(f"{name} {tool.version}", "asking its publisher") as step:

            def report(there: int, total: int) -> None:
                step.note = f"downloading, {there >> 20} of {total >> 20} MiB"

            offered = tool.programs if tool.official.programs else ("",)
            try:
                files = [
                    self.downloads.fetch(name, tool.version, tool.official, self.platform, report, program)
                    for program in offered
                ]
            except Unreachable as reason:
                step.outcome = f"to be built from packages, because {reason}"
                return False
            source = ", ".join(file.name for file in files)
            with Staging(self.folder(name)) as staging:
                for program, file in zip(offered, files, strict=True):
                    if program:
                        shutil.copyfile(file, staging.path / program)
                        (staging.path / program).chmod(0o755)
                    else:
                        unpack(file, tool.official.top_folder(tool.version, self.platform), staging.path)
                if missing := [p for p in tool.programs if not (staging.path / p).is_file()]:
                    raise ToolError(f"{source} holds no {', '.join(missing)}, which is a mistake in tools.toml")
                staging.keep(way="official", source=source, seconds=step.seconds)
            for file in files:
                file.unlink()
        return True

    def _came_along(self, name: str) -> bool:
        """A tool in another's official archive: mark it as installed when that one came that way."""
        tool = self.table[name]
        if self.origin(tool.included_with).get("way") != "official":
            return False
        with Staging(self.folder(name)) as staging:
            staging.keep(way="official", source=f"came with {tool.included_with}", seconds=0)
        return True

    def _go_first(self, names: list[str]) -> None:
        if any(self.table[n].build.kind == "go" for n in names):
            _ = self.builder.go

    def _need(self, name: str) -> Path:
        if not (self.folder(name) / ORIGIN).exists():
            self._build(name)
        return self.folder(name)

    def _prefetch(self, name: str) -> None:
        if self.table[name].build.kind == "go":
            with self.display.step(f"{name} {self.table[name].version}", "fetching Go modules"):
                self.builder.prefetch(self.table[name])

    def _build(self, name: str) -> None:
        tool = self.table[name]
        with (
            self.display.step(f"{name} {tool.version}", "building") as step,
            Staging(self.folder(name)) as staging,
        ):
            self.builder.build(tool, staging.path, lambda note: self.display.note(step, note))
            staging.keep(way="build", source=tool.build.kind, seconds=step.seconds)

    def _clear_away(self) -> None:
        """Go's modules and object files are some gigabytes that only an unfinished installation has a use for."""
        discard(self.cache / "go")

    def _on_path(self) -> list[Tool]:
        return [t for t in self.table.values() if t.on_path]

    def _assemble(self) -> None:
        with Staging(self.programs) as staging:
            for tool in self._on_path():
                for file in self.folder(tool.name).iterdir():
                    if file.is_file() and file.name != ORIGIN:
                        os.link(file, staging.path / file.name)
            staging.keep(way="build", source="links", seconds=0)

    def _plugin_mark(self, tool: Tool) -> Path:
        return pulumi_home(self.cache) / "plugins" / f"resource-{tool.plugin}-v{tool.version}" / ".slm-origin"

    def _add_plugin(self, tool: Tool) -> None:
        program = self.folder(tool.name) / tool.executable
        command = [str(self.programs / "pulumi"), "plugin", "install", "resource", tool.plugin, tool.version]
        environment = {
            **os.environ,
            "PULUMI_HOME": str(pulumi_home(self.cache)),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }
        with self.display.step(f"{tool.name} {tool.version}", "adding it to Pulumi's plugins"):
            processes.run(
                [*command, "--file", str(program), "--reinstall"],
                env=environment,
                cwd=CHECKOUT,
                what=f"adding the plugin {tool.plugin}",
            )
            self._plugin_mark(tool).write_text(self.folder(tool.name).name)
