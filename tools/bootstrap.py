#!/usr/bin/env python3
"""From a bare python3 to this checkout's own environment: fetch uv, `uv sync` into .venv, run a command there.

usage: python3 tools/bootstrap.py [--tools] [--engine] [--rehearsal] [--node] [--monitoring] [--fleet] [--edge]
                                  [-- COMMAND [ARGUMENT...]]

--tools makes sure of Pulumi and its plugins before the command runs, --engine of a Docker engine, --rehearsal of the
Kubernetes control plane that tests and rehearsals start, --node of the kubelet and containerd beside it, where this
machine can run them, --monitoring of Prometheus and its like, --fleet of the registry that carries images to edge
hosts, --edge of that and of an SSH server for the hosts that the tests start, where this machine can run those.
Only the standard library is used here, and nothing that an old python3 could not read, so that it can say what is
missing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

MINIMUM = (3, 11)
PYTHONS = ("python3.14", "python3.13", "python3.12", "python3.11")
CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv"
WHEELS = CHECKOUT / ".bundle" / "wheels"
"""The packages that came with this checkout in a bundle, where `make load` has put it."""
PIP_FLAGS = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-warn-script-location"]


BASE = getattr(sys, "_base_executable", None) or sys.executable
"""The Python itself, also when this runs inside a virtual environment, which may be the one being made."""


class Stop(Exception):
    """Set-up cannot go on. The text says what is wrong and what to do."""


def say(text: str) -> None:
    """Progress goes to standard error, so that a command's own output stays clean."""
    print(text, file=sys.stderr, flush=True)


def newer_python() -> str | None:
    """The newest suitable Python on PATH, or None."""
    for name in PYTHONS:
        path = shutil.which(name)
        works = path and subprocess.run([path, "-c", "import venv"], stderr=subprocess.DEVNULL).returncode == 0
        if works:
            return path
    return None


def require_python() -> None:
    """Go on under a Python that is new enough. Raises Stop, saying what to install, where there is none."""
    if sys.version_info >= MINIMUM:
        return
    found = newer_python()
    if found:
        os.execv(found, [found, *sys.argv])  # noqa: S606  # it replaces this process, on purpose
    have = ".".join(map(str, sys.version_info[:3]))
    raise Stop(
        f"Python 3.11 or newer is needed; python3 is {have}, and none of {', '.join(PYTHONS)} is on PATH.\n"
        "  fix:  Debian 12, Ubuntu 24.04 and newer:  apt-get install python3 python3-venv\n"
        "        Ubuntu 22.04:                       apt-get install python3.11 python3.11-venv\n"
        "        Fedora:                             dnf install python3.12\n"
        "        macOS:                              brew install python@3.12"
    )


def cache_directory() -> Path:
    """`SLM_CACHE`, else `slm-stacks` in the person's cache directory."""
    base = os.environ.get("SLM_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "slm-stacks")
    return Path(base).expanduser().absolute()


def uv_row() -> dict:  # type: ignore[type-arg]
    """What tools.toml says about uv."""
    import tomllib  # Not in the Pythons that require_python() leaves behind.

    row: dict[str, object] = tomllib.loads((CHECKOUT / "tools" / "tools.toml").read_text())["tools"]["uv"]
    return row


def uv_folder(cache: Path, version: str) -> Path:
    """Where uv lies; it exists exactly when uv is complete."""
    return cache / "tools" / "uv" / version


@contextlib.contextmanager
def only_one(cache: Path) -> Iterator[None]:
    """Two set-ups at once wait for each other. Raises Stop when the cache cannot be written."""
    import fcntl

    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = (cache / "bootstrap.lock").open("w")
    except OSError as error:
        raise Stop(
            f"The cache {cache} cannot be written: {error.strerror}.\n"
            "  fix:  make it yours, or name another directory: export SLM_CACHE=/some/directory"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up is running; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_venv(folder: Path) -> None:
    """A virtual environment with pip. As root on Debian and Ubuntu its missing package is installed, saying so."""
    command = [BASE, "-m", "venv", "--clear", str(folder)]
    tried = subprocess.run(command, capture_output=True, text=True)
    if tried.returncode == 0:
        return
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    if shutil.which("apt-get") and BASE.startswith("/usr/bin/"):
        if os.geteuid() == 0:
            say(f"Python's venv is missing: installing the package {package} with apt-get")
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            for step in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", package]):
                subprocess.run(["apt-get", *step], env=environment, stdout=subprocess.DEVNULL)
            tried = subprocess.run(command, capture_output=True, text=True)
            if tried.returncode == 0:
                return
        fix = f"sudo apt-get install {package}"
    else:
        fix = f"install the packages `venv` and `ensurepip` for {BASE}, or another Python from {MINIMUM}"
    reason = (tried.stderr or tried.stdout or "no reason given").strip().splitlines()[-1]
    raise Stop(f"Python's venv does not work here, so no environment can be made: {reason}\n  fix:  {fix}")


def ensure_uv(cache: Path) -> Path:
    """The uv of tools.toml, fetched from the package index when the cache has none. Raises Stop when it cannot be."""
    row = uv_row()
    folder = uv_folder(cache, row["version"])
    if (folder / "bin" / "uv").exists():
        return folder / "bin" / "uv"
    say(f"uv {row['version']}: fetching from the package index")
    staging = folder.with_name(f".{row['version']}.part")
    make_venv(staging)
    wanted = staging / "requirements.txt"
    hashes = "".join(f" --hash=sha256:{h}" for h in row["build"]["hashes"])
    wanted.write_text(f"uv=={row['version']}{hashes}\n")
    command = [str(staging / "bin" / "python"), "-m", "pip", "install", *PIP_FLAGS, "--no-deps", "--require-hashes"]
    tried = subprocess.run([*command, "--only-binary=:all:", "-r", str(wanted)], capture_output=True, text=True)
    if tried.returncode:
        tail = "\n".join("    " + line for line in tried.stderr.strip().splitlines()[-6:])
        raise Stop(
            f"uv {row['version']} could not be fetched from the Python package index:\n{tail}\n"
            "  fix:  give this machine a way to a package index. A site with its own index or certificate authority\n"
            "        names them once: pip config set global.index-url URL; pip config set global.cert FILE"
        )
    # A virtual environment knows its own path; of this one only the program is kept, which does not.
    (staging / "only" / "bin").mkdir(parents=True)
    (staging / "bin" / "uv").rename(staging / "only" / "bin" / "uv")
    (staging / "only").rename(folder)
    shutil.rmtree(staging, ignore_errors=True)
    return folder / "bin" / "uv"


def site_index() -> dict[str, str]:
    """What pip is told about a site's index and certificate authority, in uv's words: uv does not read pip's files."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True).stdout
    pip = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        pip[name.rpartition(".")[2]] = value.strip("'\"")
    found = {}
    index = os.environ.get("PIP_INDEX_URL") or pip.get("index-url")
    if index:
        found["UV_DEFAULT_INDEX"] = index
    authority = os.environ.get("PIP_CERT") or pip.get("cert")
    if authority and "SSL_CERT_FILE" not in os.environ:
        found["SSL_CERT_FILE"] = authority
    return found


def stamp() -> str:
    """What the environment depends on, as one digest."""
    digest = hashlib.sha256(f"{sys.version} {BASE}".encode())
    for name in ("uv.lock", "pyproject.toml"):
        digest.update((CHECKOUT / name).read_bytes())
    return digest.hexdigest()


def up_to_date() -> bool:
    """Whether .venv is what uv.lock says, as far as the last set-up knows."""
    kept = VENV / ".slm-stamp"
    return (VENV / "bin" / "python").exists() and kept.exists() and kept.read_text() == stamp()


def sync(uv: Path, cache: Path) -> None:
    """Install uv.lock into .venv. Raises Stop when that fails."""
    began = time.monotonic()
    say("Python packages: installing what uv.lock names into .venv")
    site = site_index()
    environment = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH")}
    environment.update(site, UV_CACHE_DIR=str(cache / "uv"), UV_PROJECT_ENVIRONMENT=str(VENV))
    common = ["--system-certs", "--no-config", "--no-python-downloads"]
    base = ["--python", BASE]
    quiet = [] if sys.stderr.isatty() else ["--quiet"]

    def run(*command: str) -> None:
        code = subprocess.run([str(uv), *quiet, *command, *common], cwd=CHECKOUT, env=environment).returncode
        if code:
            raise Stop(
                f"The Python packages of uv.lock could not be installed (uv's exit code {code}; its reason is above).\n"
                "  fix:  see whether the package index can be reached, and whether the disk is full, then try again:\n"
                "        what was fetched is kept"
            )

    if WHEELS.is_dir():
        # A bundle has what a deployment needs, for machines without a network, and nothing for tests.
        wanted = cache / "uv" / "requirements.txt"
        wanted.parent.mkdir(parents=True, exist_ok=True)
        run("export", "--frozen", "--no-dev", "--offline", "--quiet", "--output-file", str(wanted), *base)
        if not (VENV / "bin" / "python").exists():
            run("venv", str(VENV), "--offline", *base)
        kept = ["--offline", "--no-index", "--find-links", str(WHEELS), "--require-hashes"]
        run("pip", "sync", *kept, str(wanted), "--python", str(VENV / "bin" / "python"))
    elif "UV_DEFAULT_INDEX" in site:
        # uv.lock names the public index; a mirror serves the same files, which the lock's hashes prove.
        wanted = cache / "uv" / "requirements.txt"
        wanted.parent.mkdir(parents=True, exist_ok=True)
        run("export", "--frozen", "--quiet", "--output-file", str(wanted), *base)
        if not (VENV / "bin" / "python").exists():
            run("venv", str(VENV), *base)
        run("pip", "sync", "--require-hashes", str(wanted), "--python", str(VENV / "bin" / "python"))
    else:
        run("sync", "--locked", *base)
    (VENV / ".slm-stamp").write_text(stamp())
    say(f"Python packages: done in {time.monotonic() - began:.0f} s")


def main(arguments: list[str]) -> int:
    """Set up, then become the command. Returns an exit code only when it did not."""
    options, command = arguments, []
    if "--" in arguments:
        cut = arguments.index("--")
        options, command = arguments[:cut], arguments[cut + 1 :]
    if set(options) - {"--tools", "--engine", "--rehearsal", "--node", "--monitoring", "--fleet", "--edge"}:
        say(__doc__ or "")
        return 2
    try:
        require_python()
        if not up_to_date():
            cache = cache_directory()
            with only_one(cache):
                sync(ensure_uv(cache), cache)
    except Stop as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("stopped; the same command goes on from here")
        return 130
    if options or command:
        os.chdir(CHECKOUT)
        python = str(VENV / "bin" / "python")
        become = [python, "-m", "tools", "run", *options, "--", *command]
        os.execv(python, become)  # noqa: S606  # signals and exit codes are then the command's own
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
