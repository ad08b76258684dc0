"""How a host's Docker engine is reached by the system's OpenSSH client, with everything on its command line (pure).

No file decides whom to trust: neither the user's ~/.ssh/config nor any known_hosts is read. The host key that the
stack file pins is the only one that is accepted (control 20).
"""

from __future__ import annotations

import hashlib
import shlex
from pathlib import Path

from components.targets.spec import Docker
from components.targets.spec.ssh import Jump, parts

CONNECT_SECONDS = 20
"""How long a host may take to answer a connection."""

ALIVE_SECONDS = 15
ALIVE_COUNT = 8
"""A link that is silent for ALIVE_SECONDS times ALIVE_COUNT is given up: a cut of one minute is survived."""

KEYSCAN = "/bin/echo"
SHARED = "~/.ssh/slm-"
"""Where commands share one connection, in the home folder of whoever runs them."""


def options(spec: Docker) -> tuple[str, ...]:
    """The options under which `ssh` talks to the host of `spec`, and to no other that may answer in its place.

    They stand in the state of the stack, so they name no path of one machine but `key_file` as it is written. Where a
    connection of `ops.tunnel` to the same host is open, it is used; otherwise each call makes its own.
    """
    return (*_pinned(spec), *_way(spec), "-o", f"ControlPath={shared(spec)}", "-o", "ControlMaster=no")


def command(spec: Docker, *arguments: str, extra: tuple[str, ...] = ()) -> list[str]:
    """An `ssh` command line that runs `arguments` on the host. `extra` are further options, which come first."""
    user, name, port = parts(spec.host or "")
    return ["ssh", *extra, *options(spec), "-T", "-l", user, "-p", str(port), "--", name, *arguments]


def shared(spec: Docker) -> str:
    """The socket of a shared connection. Another key, user, port or way is another socket: no connection that was made
    under one pinned key is used under another."""
    digest = hashlib.sha256(repr((spec.host, spec.host_key, spec.key_file, spec.jump)).encode()).hexdigest()
    return f"{SHARED}{digest[:16]}"


def _pinned(host: Docker | Jump) -> tuple[str, ...]:
    key = host.host_key or ""
    kind = key.partition(" ")[0]
    # Signatures with SHA-1 are not accepted for RSA keys.
    algorithms = "rsa-sha2-512,rsa-sha2-256" if kind == "ssh-rsa" else kind
    settings = (
        "StrictHostKeyChecking=yes",
        "UserKnownHostsFile=/dev/null",
        "GlobalKnownHostsFile=/dev/null",
        f"KnownHostsCommand={KEYSCAN} %H {key}",
        f"HostKeyAlgorithms={algorithms}",
        "UpdateHostKeys=no",
        "BatchMode=yes",
        "PreferredAuthentications=publickey",
        "PasswordAuthentication=no",
        "KbdInteractiveAuthentication=no",
        *_login(host.key_file),
        "ForwardAgent=no",
        f"ConnectTimeout={CONNECT_SECONDS}",
        f"ServerAliveInterval={ALIVE_SECONDS}",
        f"ServerAliveCountMax={ALIVE_COUNT}",
        "LogLevel=ERROR",
    )
    return ("-F", "none", *(word for setting in settings for word in ("-o", setting)))


def _login(key_file: str | None) -> tuple[str, ...]:
    if key_file is None:
        return ("IdentityFile=none",)  # The agent's keys only: none of the files that OpenSSH tries by itself.
    return (f"IdentityFile={key_file}", "IdentitiesOnly=yes")


def _way(spec: Docker) -> tuple[str, ...]:
    """Through the jump host, when there is one: pinned like the host itself, which ProxyJump could not say."""
    if spec.jump is None:
        return ()
    user, name, port = parts(spec.jump.host)
    # OpenSSH expands %h and %p of the host behind; what the inner command shall expand itself is doubled.
    inner = [word.replace("%", "%%") for word in ("ssh", *_pinned(spec.jump), "-l", user, "-p", str(port))]
    return ("-o", f"ProxyCommand={shlex.join(inner)} -W '[%h]:%p' -- {shlex.quote(name)}")


def expanded(path: str, home: Path) -> Path:
    """A path in the form of `SHARED` and `key_file` on a machine whose user's home folder is `home`."""
    return home / path.removeprefix("~/") if path.startswith("~/") else Path(path)
