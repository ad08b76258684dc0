"""What a host behind SSH is like, as its Docker engine does not say: clock, disk, ports, the engine's own settings."""

from __future__ import annotations

import base64
import binascii
import json
import shlex
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from components.targets.docker import ssh, ssh_errors
from components.targets.spec import Docker
from ops.docker_client import as_user_error

PATIENCE = 60
LISTENING = "0A"

_SCRIPT = """
echo "clock $(date +%s)"
echo "machine $(uname -m)"
d="$1"; while [ "$d" != / ] && ! df -Pk "$d" >/dev/null 2>&1; do d=$(dirname "$d"); done
echo "disk $(df -Pk "$d" | tail -n 1)"
[ -d /proc/driver/nvidia/gpus ] && echo "gpus $(ls /proc/driver/nvidia/gpus | wc -l)"
for h in nvidia-container-runtime-hook nvidia-cdi-hook; do
  command -v $h >/dev/null 2>&1 && echo "nvidia $h"; done
echo "settings $(base64 2>/dev/null < /etc/docker/daemon.json | tr -d '\\n')"
for p in /proc/[0-9]*; do case "$(cat "$p/comm" 2>/dev/null)" in dockerd)
  echo "engine $(tr '\\0' ' ' < "$p/cmdline" 2>/dev/null)";; esac; done
tail -n +2 /proc/net/tcp | sed 's/^/tcp /'
tail -n +2 /proc/net/tcp6 2>/dev/null | sed 's/^/tcp /'
true
"""


@dataclass(frozen=True)
class HostFacts:
    """One host at one moment. `skew` is how far its clock is ahead of this machine's, in seconds; disk in bytes.

    `settings` are those of its engine's daemon.json, None where this user may not read it; `arguments` the engine's.
    `gpus` is how many GPUs NVIDIA's driver has, None without one that says so; `nvidia` the hooks for containers that
    are installed.
    """

    skew: float
    machine: str
    disk_total: int
    disk_free: int
    listening: frozenset[tuple[str, int]]
    settings: dict[str, Any] | None = None
    arguments: tuple[str, ...] = ()
    gpus: int | None = None
    nvidia: frozenset[str] = frozenset()

    def listens(self, bind: str, port: int) -> bool:
        """Whether something holds the port on this address or on all of them."""
        return any(
            at == port and (bind in (address, "0.0.0.0", "::") or address in ("0.0.0.0", "::"))
            for address, at in self.listening
        )


def gather(spec: Docker, root: str) -> HostFacts:
    """Ask a host over SSH; `root` is where its engine keeps its data. Raises UserError."""
    before = time.time()
    words = ["sh", "-c", shlex.quote(_SCRIPT), "sh", shlex.quote(root)]
    try:
        done = subprocess.run(
            ssh.command(spec, " ".join(words)), stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        raise as_user_error(ssh_errors.silent(spec, PATIENCE, "what the host is like")) from None
    if done.returncode != 0:
        raise as_user_error(ssh_errors.explain(spec, done.stderr.decode(errors="replace"), done.returncode))
    return parse(done.stdout.decode(errors="replace"), (before + time.time()) / 2)


def parse(text: str, now: float) -> HostFacts:
    """What the script printed; `now` is this machine's clock in seconds. Raises ValueError for any other text."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        found.setdefault(word, []).append(rest.strip())
    try:
        disk = found["disk"][0].split()
        return HostFacts(
            skew=float(found["clock"][0]) - now,
            machine=found["machine"][0],
            disk_total=int(disk[1]) * 1024,
            disk_free=int(disk[3]) * 1024,
            listening=frozenset(_listeners(found.get("tcp", ()))),
            settings=_settings(found.get("settings", [""])[0]),
            arguments=tuple(" ".join(found.get("engine", ())).split()),
            gpus=int(found["gpus"][0]) if "gpus" in found else None,
            nvidia=frozenset(found.get("nvidia", ())),
        )
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(f"the host described itself in an unknown form ({error}): {text[:200]!r}") from None


def _listeners(lines: Iterable[str]) -> Iterable[tuple[str, int]]:
    """Addresses and ports of /proc/net/tcp and tcp6 on which something listens."""
    for line in lines:
        _, local, _, state = line.split()[:4]
        if state == LISTENING:
            address, _, port = local.partition(":")
            yield _address(bytes.fromhex(address)), int(port, 16)


def _address(raw: bytes) -> str:
    # The kernel prints each word of four bytes as a number of the machine's own byte order, which is little-endian on
    # all that containers run on here.
    swapped = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    if len(swapped) == 4:
        return str(IPv4Address(swapped))
    address = IPv6Address(swapped)
    return str(address.ipv4_mapped or address)


def _settings(encoded: str) -> dict[str, Any] | None:
    if not encoded:
        return None
    try:
        settings = json.loads(base64.b64decode(encoded))
    except (binascii.Error, ValueError):
        return None
    return settings if isinstance(settings, dict) else None
