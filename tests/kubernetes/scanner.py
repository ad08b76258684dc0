"""checkov, the public scanner, in an environment of its own: its hundred packages are none of this project's."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock

from tools import bootstrap

PACKAGES = Path(__file__).with_name("checkov") / "packages.txt"
COMPLETE = ".complete"


@dataclass(frozen=True)
class Failure:
    """A check that a file of the given name fails: checkov's id of it and its words, and the object."""

    file: str
    check: str
    says: str
    resource: str


def python() -> Path:
    """The Python that has checkov. Made once for each lock file, from the package index."""
    digest = hashlib.sha256(PACKAGES.read_bytes() + sys.version.encode()).hexdigest()[:12]
    cache = bootstrap.cache_directory()
    folder = cache / "tools" / "checkov" / digest
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / COMPLETE).exists():
            _install(folder, cache)
    return folder / "bin" / "python"


def _install(folder: Path, cache: Path) -> None:
    uv = bootstrap.uv_folder(cache, str(bootstrap.uv_row()["version"])) / "bin" / "uv"
    assert uv.exists(), f"{uv} is missing — python3 tools/bootstrap.py gets it"
    common = ["--system-certs", "--no-config", "--no-python-downloads", "--quiet"]
    environment = {**os.environ, **bootstrap.site_index(), "UV_CACHE_DIR": str(cache / "uv")}
    for command in (
        ["venv", "--clear", folder, "--python", bootstrap.BASE],
        ["pip", "sync", "--require-hashes", PACKAGES, "--python", folder / "bin" / "python"],
    ):
        subprocess.run([uv, *command, *common], check=True, env=environment)
    (folder / COMPLETE).touch()


def failures(files: Mapping[str, Any], framework: str, folder: Path) -> list[Failure]:
    """What checkov says to the files, by their names; each is a list of objects, or one document.

    It is started once for all of them: loading its checks takes seconds. It needs no network and asks for none.
    """
    for name, content in files.items():
        text = yaml.safe_dump_all(content) if framework == "kubernetes" else json.dumps(content)
        (folder / name).write_text(text)
    environment = {"HOME": str(folder), "PATH": os.defpath, "LOG_LEVEL": "ERROR"}
    done = subprocess.run(
        [python(), "-m", "checkov.main", "--framework", framework, "--directory", folder, "--output", "json",
         "--quiet", "--compact", "--skip-download"],
        capture_output=True, text=True, timeout=300, env=environment,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    report = json.loads(done.stdout)
    assert report["check_type"] == framework, report
    assert report["summary"]["parsing_errors"] == 0, report["results"]
    # A scanner that read nothing would find nothing.
    assert report["summary"]["resource_count"] >= len(files), report["summary"]
    return [
        Failure(Path(row["file_path"]).name, row["check_id"], row["check_name"], row["resource"])
        for row in report["results"]["failed_checks"]
    ]
