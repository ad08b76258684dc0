"""The Python packages of uv.lock as wheels, for each Python that the other machine may have."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from rich.console import Console

from ops.bundle.item import Item
from ops.errors import UserError
from ops.images.packages import environment, uv_program
from ops.machine import PROJECT
from tools.table import Platform

PYTHONS = ("3.11", "3.12", "3.13")
"""Those of Debian 12, Ubuntu 24.04 and Debian 13."""
NEWEST_GLIBC = 28
"""Minor version: older than Debian 11's, so wheels that run with it run on all that this project names."""
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def chosen(pythons: str) -> tuple[str, ...]:
    """The Pythons that are named with commas; PYTHONS for none. Raises UserError."""
    named = tuple(dict.fromkeys(pythons.replace(" ", "").split(","))) if pythons else PYTHONS
    if wrong := [one for one in named if not re.fullmatch(r"3\.1[1-9]", one)]:
        raise UserError(f"'{wrong[0]}' is no Python this project runs on", fix=f"PYTHONS={','.join(PYTHONS)}")
    return named


def gather(folder: Path, platform: Platform, console: Console, pythons: Sequence[str]) -> list[Item]:
    """The wheels, fetched into `folder` where they are not there yet. Raises UserError."""
    locked, found = _locked(), dict[str, str]()
    for python in pythons:
        wanted = list(_for(python, locked, platform))
        content = "".join(f"{line}\n" for line in wanted)
        mine = folder / f"{python}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
        if not (mine / "complete").exists():
            with console.status(f"packages for Python {python}"):
                _download(mine, python, content, platform)
        for wheel in sorted(mine.glob("*.whl")):
            found.setdefault(wheel.name, str(wheel))
    return [Item(f"wheels/{name}", Path(path)) for name, path in sorted(found.items())]


def glibc(items: Sequence[Item]) -> str:
    """The oldest C library that all of the wheels run on."""
    tags = (re.findall(r"manylinux_2_(\d+)_", item.name) for item in items)
    return f"2.{max((min(map(int, versions)) for versions in tags if versions), default=17)}"


def _locked() -> list[str]:
    """The lines of uv.lock that a deployment needs: requirement with its hashes."""
    command = [str(uv_program()), "export", "--frozen", "--no-dev", "--no-header", "--no-annotate", "--no-config"]
    done = subprocess.run(
        [*command, "--no-python-downloads"], cwd=PROJECT, env=environment(), capture_output=True, text=True
    )
    if done.returncode:
        raise UserError(f"uv cannot read uv.lock: {done.stderr.strip()}", harm="no bundle was made", fix="uv lock")
    return [" ".join(line.split()) for line in done.stdout.replace("\\\n", " ").splitlines() if line.strip()]


def _for(python: str, locked: Sequence[str], platform: Platform) -> Iterator[str]:
    """The lines that hold for a Python, without the conditions under which they do."""
    here = {"sys_platform": platform.os, "platform_system": platform.os.capitalize(), "os_name": "posix"}
    here |= {"platform_machine": _MACHINES[platform.arch], "implementation_name": "cpython"}
    here |= {
        "platform_python_implementation": "CPython",
        "python_version": python,
        "python_full_version": f"{python}.0",
    }
    for line in locked:
        said, *hashes = line.split(" --hash=")
        requirement = Requirement(said)
        if requirement.marker is None or requirement.marker.evaluate(here):
            yield " --hash=".join([f"{requirement.name}{requirement.specifier}", *hashes])


def _download(folder: Path, python: str, requirements: str, platform: Platform) -> None:
    machine = _MACHINES[platform.arch]
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(NEWEST_GLIBC, 4, -1)]
    tags += [f"manylinux{old}_{machine}" for old in ("2014", "2010", "1")]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "requirements.txt").write_text(requirements)
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--require-hashes",
        "--dest",
        str(folder),
    ]
    command += ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
    command += [f"--abi={abi}" for abi in (f"cp{python.replace('.', '')}", "abi3", "none")]
    command += [f"--platform={tag}" for tag in tags]
    done = subprocess.run([*command, "-r", str(folder / "requirements.txt")], capture_output=True, text=True)
    if done.returncode:
        tail = "\n".join(done.stderr.strip().splitlines()[-4:])
        raise UserError(
            f"the packages for Python {python} could not be fetched:\n{tail}",
            harm="no bundle was made; what was fetched is kept",
            fix="give this machine a way to a package index, then run the command again",
        )
    (folder / "complete").touch()
    for old in folder.parent.glob(f"{python}-*"):
        if old != folder:
            shutil.rmtree(old)
