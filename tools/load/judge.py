"""Whether a bundle suits this machine and what is loaded here: all that is known before its first file is read."""

from __future__ import annotations

import platform
import shutil
import sys
from pathlib import Path

from tools.errors import ToolError
from tools.load.archive import HARM
from tools.load.manifest import Manifest

UNPACKED = 8
"""Wheels become so many times their size: in uv's cache, as an environment, and with Python's bytecode."""
RESERVE = 0.05
"""So much of the disk stays free."""


def suits_machine(bundle: Manifest) -> None:
    """Raise ToolError when its programs cannot run here."""
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine().lower(), platform.machine().lower())
    here = f"{sys.platform}/{arch}"
    if here != bundle.platform:
        raise _refused(f"the bundle is for {bundle.platform}, and this machine is {here}", "make it on such a machine")
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if python not in bundle.pythons:
        wanted = ", ".join(bundle.pythons)
        raise _refused(f"the bundle has packages for Python {wanted}; this is {python}", f"run it with one of {wanted}")
    name, version = platform.libc_ver()
    if name == "glibc" and _numbers(version) < _numbers(bundle.glibc):
        raise _refused(f"its packages take glibc {bundle.glibc}; this machine has {version}", "use a newer system")


def follows(bundle: Manifest, loaded: Manifest | None, reason: str) -> None:
    """Raise ToolError for another stack than the one loaded, and for an older version without a reason."""
    if loaded is None:
        return
    if bundle.stack != loaded.stack:
        raise _refused(
            f"the bundle is of stack '{bundle.stack}', and '{loaded.stack}' is loaded here", "INTO=another/folder"
        )
    if bundle.version < loaded.version and not reason:
        raise _refused(
            f"the bundle's version {bundle.version} is older than the loaded {loaded.version}",
            'load a newer one; or ALLOW_OLDER="why", which is written into .slm/audit.jsonl',
        )


def fits(bundle: Manifest, folder: Path, cache: Path) -> None:
    """Raise ToolError when a disk is too small, with the figures."""
    wheels = bundle.size_of("wheels")
    wanted = {folder: bundle.size + UNPACKED * wheels // 2, cache: bundle.size_of("tools") + UNPACKED * wheels // 2}
    by_disk: dict[int, list[Path]] = {}
    for path in wanted:
        by_disk.setdefault(_existing(path).stat().st_dev, []).append(path)
    for paths in by_disk.values():
        usage = shutil.disk_usage(_existing(paths[0]))
        need = sum(wanted[path] for path in paths) + int(usage.total * RESERVE)
        if usage.free < need:
            raise _refused(
                f"the disk of {' and '.join(map(str, paths))} has {usage.free / 1e9:.1f} GB free; the bundle takes"
                f" {need / 1e9:.1f} GB, a twentieth of the disk left free",
                "free space, or INTO=a folder on another disk (SLM_CACHE=folder moves the programs)",
            )


def _existing(path: Path) -> Path:
    return path if path.exists() or path == path.parent else _existing(path.parent)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _refused(what: str, fix: str) -> ToolError:
    return ToolError(what, harm=HARM, fix=fix)
