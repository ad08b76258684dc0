"""Write images/<role>/packages.txt from packages.in: every package with its version and the digests of its files.

    .venv/bin/python -m ops.images_lock torch convert vllm-cpu

Run it by hand when a list should move on, and review the change it makes. Packages named in packages-excluded.txt are
left out of what others need, packages-overridden.txt replaces what they ask for. A role with a parent leaves out what
its parent has, and takes the same versions.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from components.catalog import catalog
from ops.images.build import IMAGES
from ops.images.content import build_folder
from ops.images.packages import LIST, MACHINE, PLATFORM, PYTHON, environment, uv_program

WANTED = "packages.in"
EXCLUDED = "packages-excluded.txt"
OVERRIDDEN = "packages-overridden.txt"


def names(listed: Path) -> dict[str, str]:
    """Version by package of a written list."""
    pins = (line.split()[0].split("==") for line in listed.read_text().splitlines() if "==" in line.split(" ")[0])
    return {name: version for name, version in pins}


def suits(wheel: str) -> bool:
    """Whether a wheel of this file name runs in the images."""
    python, abi, platform = wheel.removesuffix(".whl").split("-")[-3:]
    pythons, minor = set(python.split(".")), int(PYTHON.split(".")[1])
    pure = abi == "none" and any(tag.startswith("py3") for tag in pythons)
    stable = abi == "abi3" and any(f"cp3{older}" in pythons for older in range(2, minor + 1))
    if not (f"cp3{minor}" in pythons or pure or stable):
        return False
    return platform == "any" or any("manylinux" in part and part.endswith(MACHINE) for part in platform.split("."))


def requirements(lock: dict[str, Any], parent: dict[str, str]) -> list[str]:
    """The lines of packages.txt from a lock in the standard's form (PEP 751)."""
    lines = []
    for package in sorted(lock["packages"], key=lambda entry: str(entry["name"])):
        if package["name"] in parent:
            continue
        wheels = (w for w in package["wheels"] if suits(str(w.get("name") or w["url"].rsplit("/", 1)[-1])))
        if not (digests := sorted({str(wheel["hashes"]["sha256"]) for wheel in wheels})):
            raise SystemExit(f"{package['name']} {package['version']} has no wheel for Python {PYTHON} on {MACHINE}")
        lines.append(
            " \\\n    ".join([f"{package['name']}=={package['version']}", *(f"--hash=sha256:{d}" for d in digests)])
        )
    return lines


def lock(role: str) -> None:
    """Write one role's list."""
    row = catalog().images[role]
    folder = IMAGES / build_folder(row)
    folders = [folder, *([IMAGES / build_folder(catalog().images[row.parent])] if row.parent else [])]
    parent = names(folders[1] / LIST) if row.parent else {}
    with tempfile.TemporaryDirectory() as scratch:
        excluded, held, made = (Path(scratch) / name for name in ("excluded.txt", "held.txt", "pylock.toml"))
        lists = [f / EXCLUDED for f in folders if (f / EXCLUDED).exists()]
        excluded.write_text("".join(path.read_text() for path in lists))
        held.write_text("".join(f"{name}=={version}\n" for name, version in parent.items()))
        command = [str(uv_program()), "pip", "compile", *(str(f / WANTED) for f in folders), "--format", "pylock.toml"]
        command += ["--python-version", PYTHON, "--python-platform", PLATFORM]
        command += ["--only-binary", ":all:", "--excludes", str(excluded), "--constraints", str(held), "--quiet"]
        command += ["--overrides", str(folder / OVERRIDDEN)] if (folder / OVERRIDDEN).exists() else []
        command += ["--output-file", str(made), "--system-certs", "--no-config", "--no-python-downloads"]
        subprocess.run(command, env=environment(), check=True)
        lines = requirements(tomllib.loads(made.read_text()), parent)
    (folder / LIST).write_text("# Written by ops.images_lock from packages.in.\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    for each in sys.argv[1:]:
        lock(each)
