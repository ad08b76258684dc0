"""Building tools from package registries: Go modules, wheels, and scripts of this checkout."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tools import bootstrap, processes
from tools.errors import ToolError
from tools.places import CHECKOUT
from tools.table import BUILD_FOLDERS, GoBuild, ScriptBuild, Tool, WheelBuild

GO_FIX = (
    "see whether the Go module proxy can be reached from here (`go env GOPROXY` names it; a site with a mirror\n"
    "sets it with `go env -w GOPROXY=…`), then run the same command again: what was done is kept"
)

Note = Callable[[str], None]


@dataclass
class Builder:
    """Builds into folders it is given. `need` gives the folder of another tool, installing it first (Go itself)."""

    cache: Path
    table: dict[str, Tool]
    need: Callable[[str], Path]

    def build(self, tool: Tool, target: Path, note: Note) -> None:
        """Fill `target` with the tool. Raises ToolError when it cannot be built here."""
        match tool.build:
            case GoBuild():
                self._go(tool, tool.build, target, note)
            case WheelBuild():
                note(f"fetching {tool.build.package} {tool.version} from the package index")
                self._wheel(tool, tool.build, target)
            case ScriptBuild():
                note(f"running {tool.build.script}")
                self._script(tool, tool.build, target)
        for program in tool.programs:
            if not os.access(target / program, os.X_OK):
                raise ToolError(f"{tool.name}: the build ended without {program}, which is a mistake in tools.toml")

    def prefetch(self, tool: Tool) -> None:
        """Download the Go modules that compiling will need, so that the network works while the processor does."""
        if isinstance(tool.build, GoBuild):
            packages = [tool.build.package, *tool.build.companions]
            packages += [tool.build.generate.package] if tool.build.generate else []
            # -e: a file that is generated later may be missing now.
            self._run_go(
                tool,
                ["list", "-e", "-deps", *_tags(tool.build), *packages],
                BUILD_FOLDERS / tool.build.folder,
                "fetching Go modules",
            )

    @cached_property
    def go(self) -> Path:
        """A `go` command that is new enough: the one on PATH, else the one of the table."""
        found = shutil.which("go")
        minimum = self.table["go"].minimum
        if found and (version := go_version(found)) and at_least(version, minimum):
            return Path(found)
        try:
            return self.need("go") / self.table["go"].executable
        except ToolError as error:
            raise ToolError(
                f"The tools' publishers cannot be reached, and neither can Go {minimum}, to build them:\n{error.what}",
                harm="without Pulumi and its Docker plugin nothing can be deployed",
                fix="one of these, then the same command again:\n"
                "- a way to get.pulumi.com and github.com (a proxy is named by HTTPS_PROXY)\n"
                f"- Go {minimum} or newer on PATH, from go.dev/dl or this system's packages\n"
                "- a package index for pip: pip config set global.index-url URL",
            ) from error

    def go_environment(self) -> dict[str, str]:
        """The person's own Go settings (a mirror, say), and nothing written outside the cache."""
        config = Path(os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser())
        own = {
            "GOENV": os.environ.get("GOENV") or str(config / "go" / "env"),
            "GOPATH": str(self.cache / "go"),
            "GOMODCACHE": os.environ.get("GOMODCACHE") or str(self.cache / "go" / "mod"),
            "GOCACHE": os.environ.get("GOCACHE") or str(self.cache / "go" / "build"),
            # Go keeps counters in the configuration directory.
            "XDG_CONFIG_HOME": str(self.cache / "go" / "config"),
            "GOFLAGS": "-mod=readonly -buildvcs=false -modcacherw",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
            # Without C there is nothing to install but Go, and the result runs on any distribution.
            "CGO_ENABLED": "0",
        }
        return {**_unhurried(memory_bytes(), os.cpu_count() or 1), **os.environ, **own}

    def _go(self, tool: Tool, recipe: GoBuild, target: Path, note: Note) -> None:
        work = target.with_name(target.name + ".src")
        shutil.copytree(BUILD_FOLDERS / recipe.folder, work, dirs_exist_ok=True)
        major, minor, *_ = [*tool.version.split("."), ""]
        stamped = recipe.ldflags.format(version=tool.version, major=major, minor=minor)
        # What debuggers read is not in the result (-s -w), so it need not be made for any package either.
        flags = ["-trimpath", *_tags(recipe), "-gcflags=all=-dwarf=false"]
        flags += ["-ldflags", " ".join(["-s -w", stamped]).strip()]
        try:
            if recipe.generate:
                generator = work / ".generator"
                note("compiling the generator of its schema")
                self._run_go(tool, ["build", *flags, "-o", str(generator), recipe.generate.package], work, "compiling")
                what = f"{tool.name}: writing {recipe.generate.output}"
                made = processes.run([str(generator)], env=dict(os.environ), cwd=work, what=what)
                (work / recipe.generate.output).write_text(made)
            note("compiling")
            # With several packages Go names the programs itself, and takes a folder for them.
            output = f"{target}{os.sep}" if recipe.companions else str(target / tool.executable)
            self._run_go(tool, ["build", *flags, "-o", output, recipe.package, *recipe.companions], work, "compiling")
            if recipe.copy_:
                module = recipe.copy_.module
                find = ["list", "-m", "-f", "{{.Dir}}", module]
                folder = Path(self._run_go(tool, find, work, f"finding {module}").strip())
                for name in recipe.copy_.files:
                    copied = shutil.copyfile(folder / name, target / Path(name).name)
                    copied.chmod(0o755)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _run_go(self, tool: Tool, arguments: list[str], folder: Path, what: str) -> str:
        command = [str(self.go), *arguments]
        return processes.run(command, env=self.go_environment(), cwd=folder, what=f"{tool.name}: {what}", fix=GO_FIX)

    def _wheel(self, tool: Tool, recipe: WheelBuild, target: Path) -> None:
        lines = [f"{recipe.package}=={tool.version} \\", *(f"  --hash=sha256:{h} \\" for h in recipe.hashes)]
        wanted = target / "requirements.txt"
        wanted.write_text("\n".join(lines).rstrip(" \\") + "\n")
        command = [sys.executable, "-m", "pip", "install", *bootstrap.PIP_FLAGS, "--no-deps", "--require-hashes"]
        command += ["--only-binary=:all:", "--no-cache-dir", "--target", str(target), "-r", str(wanted)]
        fix = "see whether pip can reach a package index from here (`python3 -m pip config list` names a site's own)"
        processes.run(command, env=dict(os.environ), cwd=CHECKOUT, what=f"{tool.name}: fetching a wheel", fix=fix)

    def _script(self, tool: Tool, recipe: ScriptBuild, target: Path) -> None:
        path = os.environ.get("PATH", os.defpath)
        if "go" in recipe.needs:
            path = f"{self.go.parent}{os.pathsep}{path}"
        if missing := [n for n in recipe.needs if not shutil.which(n, path=path)]:
            raise ToolError(
                f"{tool.name} {tool.version} cannot be built: {', '.join(missing)} is not on PATH",
                fix=f"install it with the system's package manager, e.g. apt-get install {' '.join(missing)}",
            )
        environment = {**os.environ, **self._go_cache(), "PATH": path, "SLM_CACHE": str(self.cache)}
        script = str(CHECKOUT / recipe.script)
        processes.run([script, str(target)], env=environment, cwd=CHECKOUT, what=f"{tool.name}: {recipe.script}")

    def _go_cache(self) -> dict[str, str]:
        names = ("GOENV", "GOPATH", "GOMODCACHE", "GOCACHE", "XDG_CONFIG_HOME", "GOTOOLCHAIN", "GOGC", "GOMEMLIMIT")
        return {n: v for n, v in self.go_environment().items() if n in names}


MOST_MEMORY = 2 << 30
"""Bytes that one process of Go's compiler or linker may fill before it looks for garbage."""


def memory_bytes() -> int:
    """This machine's memory; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return 0


def _unhurried(memory: int, processors: int) -> dict[str, str]:
    """Go's own settings for compilers that live for seconds: to look for garbage in them takes a fifth of the time.

    A quarter of the memory is shared by what compiles at once; where that is less than a GiB each, nothing is changed.
    """
    share = min(memory // (4 * processors), MOST_MEMORY)
    return {"GOGC": "off", "GOMEMLIMIT": str(share)} if share >= 1 << 30 else {}


def _tags(recipe: GoBuild) -> list[str]:
    return ["-tags", ",".join(recipe.tags)] if recipe.tags else []


def go_version(go: str) -> str:
    """`1.26.6`, or nothing when the command does not work."""
    try:
        command = [go, "env", "-json", "GOVERSION"]
        environment = {**os.environ, "GOTOOLCHAIN": "local"}
        output = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=True).stdout
        return str(json.loads(output)["GOVERSION"]).removeprefix("go")
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return ""


def at_least(version: str, minimum: str) -> bool:
    """Compare `1.26.6` with `1.25.11` by numbers. Pre-releases count as the release."""

    def numbers(text: str) -> list[int]:
        return [int(n) for n in re.findall(r"\d+", text)[:3]]

    return numbers(version) >= numbers(minimum)
