"""The Docker engine: used where one answers, installed and started where that may be done, explained elsewhere."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import docker
import httpx
from docker.errors import DockerException

from tools.errors import ToolError
from tools.places import cache_directory

State = Literal["ready", "forbidden", "stopped", "absent", "unreachable"]
SYSTEM_SOCKET = "/var/run/docker.sock"
STARTED_VARIABLE = "SLM_STARTED_ENGINE"
"""Process id of an engine that this command started directly; a test run stops it again, `make up` leaves it."""

SYSTEMD = Path("/run/systemd/system")
"""Exists exactly where systemd is the init that runs."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Engine:
    """What answered, or why nothing did. `host` is as in DOCKER_HOST; `notes` are what a person should know of
    it; `started` is the process id of an engine started just now where no init looks after it."""

    state: State
    host: str
    version: str = ""
    cgroup: str = ""
    memory_mib: int = 0
    cpus: int = 0
    root: str = ""
    runtimes: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
    reason: str = ""
    started: int | None = None

    def environment(self) -> dict[str, str]:
        """What makes every Docker client talk to this engine, and tells who started it to whoever may stop it again."""
        found = {} if self.host == f"unix://{SYSTEM_SOCKET}" else {"DOCKER_HOST": self.host}
        return found if self.started is None else {**found, STARTED_VARIABLE: str(self.started)}


def sockets() -> list[Path]:
    """Where engines listen: the system's first, then Docker Desktop's, a rootless one's and Colima's."""
    home, runtime = Path.home(), os.environ.get("XDG_RUNTIME_DIR")
    found = [Path(SYSTEM_SOCKET), home / ".docker/run/docker.sock", home / ".colima/default/docker.sock"]
    return [*found, Path(runtime) / "docker.sock"] if runtime else found


def diagnose() -> Engine:
    """Ask the engine of DOCKER_HOST, else the first of `sockets` that answers. Never raises."""
    if host := os.environ.get("DOCKER_HOST"):
        return ask_socket(Path(host.removeprefix("unix://"))) if host.startswith("unix://") else _ask_remote(host)
    answers = [ask_socket(path) for path in sockets()]
    best: tuple[State, ...] = ("ready", "forbidden", "unreachable", "stopped", "absent")
    return min(answers, key=lambda engine: best.index(engine.state))


def ask_socket(path: Path) -> Engine:
    """Ask the engine that listens on a local socket."""
    host = f"unix://{path}"
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(5)
            probe.connect(str(path))
    except PermissionError as error:
        return Engine("forbidden", host, reason=str(error))
    except FileNotFoundError as error:
        return Engine("stopped" if shutil.which("dockerd") else "absent", host, reason=str(error))
    except ConnectionRefusedError as error:
        return Engine("stopped", host, reason=f"nothing listens on it any more ({error})")
    except OSError as error:
        return Engine("unreachable", host, reason=str(error))
    try:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://docker", timeout=10) as client:
            return _described(host, client.get("/info").raise_for_status().json())
    except (httpx.HTTPError, ValueError, KeyError) as error:
        return Engine("unreachable", host, reason=f"it accepts connections but does not answer ({error})")


def _ask_remote(host: str) -> Engine:
    try:
        client = docker.from_env(timeout=10)  # type: ignore[no-untyped-call,unused-ignore]
        return _described(host, client.info())
    except (DockerException, OSError, ValueError) as error:
        return Engine("unreachable", host, reason=str(error).splitlines()[0])


def _described(host: str, info: dict[str, object]) -> Engine:
    cgroup = str(info.get("CgroupVersion") or "1")
    notes = []
    if cgroup == "1":
        notes.append("control groups version 1: limits hold, but newer systems have version 2")
    if info.get("MemoryLimit") is False or info.get("PidsLimit") is False or info.get("CpuCfsQuota") is False:
        notes.append("this kernel cannot limit memory, processes or processor time of containers")
    options = [str(o) for o in info.get("SecurityOptions") or ()]  # type: ignore[attr-defined]
    if not any("seccomp" in option for option in options):
        notes.append("no seccomp: containers may make any system call")
    if any("rootless" in option for option in options):
        notes.append("rootless")
    warnings = info.get("Warnings") or []
    notes += [str(w).removeprefix("WARNING: ") for w in warnings]  # type: ignore[attr-defined]
    return Engine(
        "ready",
        host,
        version=str(info["ServerVersion"]),
        cgroup=cgroup,
        memory_mib=int(str(info.get("MemTotal", 0))) >> 20,
        cpus=int(str(info.get("NCPU", 0))),
        root=str(info.get("DockerRootDir", "")),
        runtimes=tuple(sorted(info.get("Runtimes") or ())),  # type: ignore[call-overload]
        notes=tuple(notes),
    )


def ensure(say: Say = print) -> Engine:
    """An engine that answers. As root on Debian or Ubuntu it is installed and started, which `say` is told.

    Raises ToolError with the exact commands where that cannot be done.
    """
    engine = diagnose()
    if engine.state == "ready":
        return engine
    ours = os.geteuid() == 0 and sys.platform == "linux" and not os.environ.get("DOCKER_HOST")
    if engine.state == "absent" and ours and shutil.which("apt-get"):
        _install(say)
        engine = diagnose()
    if engine.state == "stopped" and ours:
        started = _start(say)
        engine = replace(diagnose(), started=started)
    if engine.state == "ready":
        say(f"Docker engine {engine.version} answers on {engine.host}")
        return engine
    raise explain(engine)


def explain(engine: Engine) -> ToolError:
    """What is wrong with an engine that is not ready, and the commands that mend it here."""
    harm = "without a Docker engine nothing can be deployed on this machine, nor tested"
    match engine.state:
        case "forbidden":
            what = f"A Docker engine is there, but you may not use its socket {engine.host}"
            fix = (
                "sudo usermod -aG docker $USER    then log out and in again (that group is as good as root)\n"
                "dockerd-rootless-setuptool.sh install    instead: an engine of your own"
            )
        case "stopped":
            what = f"Docker is installed, but its engine does not run: {engine.reason}"
            fix = "open -a Docker    (or: colima start)" if sys.platform == "darwin" else "sudo systemctl start docker"
        case "absent":
            what = f"No Docker engine is installed, or none that listens on {engine.host}"
            fix = _how_to_install()
        case _:
            what = f"The Docker engine on {engine.host} does not answer: {engine.reason}"
            fix = "see what ails it: docker version; journalctl -u docker\n"
            fix += "an engine elsewhere is named by DOCKER_HOST; unset it to use this machine's"
    return ToolError(what, harm=harm, fix=fix)


def _how_to_install() -> str:
    if sys.platform == "darwin":
        return "install Docker Desktop, or: brew install colima docker && colima start"
    for manager, command in (
        ("apt-get", "sudo apt-get install docker.io iptables && sudo systemctl enable --now docker"),
        ("dnf", "sudo dnf install moby-engine && sudo systemctl enable --now docker"),
        ("zypper", "sudo zypper install docker && sudo systemctl enable --now docker"),
        ("pacman", "sudo pacman -S docker && sudo systemctl enable --now docker"),
        ("apk", "sudo apk add docker && sudo rc-service docker start"),
    ):
        if shutil.which(manager):
            return f"{command}\nsudo usermod -aG docker $USER    then log out and in again"
    return "install Docker with this system's package manager, or name an engine elsewhere: export DOCKER_HOST=ssh://…"


def _install(say: Say) -> None:
    say("Docker engine: installing the packages docker.io and iptables with apt-get")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=environment, stdout=subprocess.DEVNULL)
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "docker.io", "iptables"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        tail = "\n".join("    " + line for line in done.stderr.strip().splitlines()[-8:])
        raise ToolError(
            f"apt-get could not install the Docker engine:\n{tail}", fix=" ".join(["mend that, then:", *command])
        )


def _start(say: Say, patience: float = 60.0) -> int | None:
    """Start the engine and wait for it; gives its process id where no init looks after it."""
    if SYSTEMD.is_dir():
        say("Docker engine: starting it with systemctl")
        subprocess.run(["systemctl", "start", "docker"], capture_output=True)
        started = None
    else:
        log = cache_directory() / "dockerd.log"
        say(f"Docker engine: no init answers here, so dockerd is started directly; it writes to {log}")
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            started = subprocess.Popen(["dockerd"], stdout=output, stderr=output, start_new_session=True)
    until = time.monotonic() + patience
    while time.monotonic() < until and diagnose().state != "ready":
        if started and started.poll() is not None:
            tail = "\n".join("    " + line for line in log.read_text(errors="replace").splitlines()[-8:])
            raise ToolError(f"dockerd ended by itself:\n{tail}", fix=f"mend that; the whole story is in {log}")
        time.sleep(0.25)
    return started.pid if started else None
