"""An SSH host as the stack file describes it: where it is, by which key it is known, with which key one logs in."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, StringConstraints

from components.targets.spec.paths import FilePath
from components.workload import Value

HOST_KEY_KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
DEFAULT_PORT = 22


def public_key(key: str) -> str:
    """The key as `kind base64`, without a comment. Raises ValueError for what is no public host key."""
    kind, _, rest = key.partition(" ")
    encoded = rest.split(" ")[0]
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        blob = b""
    if not blob[4:].startswith(kind.encode()) or kind not in HOST_KEY_KINDS or len(blob) < 40:
        raise ValueError(
            "not a public SSH host key — copy one line of `ssh-keyscan HOST` without the host name, "
            "after comparing its fingerprint on the host: 'ssh-ed25519 AAAA…'"
        )
    return f"{kind} {encoded}"


def ssh_address(host: str) -> str:
    """The address itself. Raises ValueError for what is no `ssh://user@host[:port]`."""
    if re.match(r"^ssh://[^/@]*:[^/]*@", host):
        raise ValueError("a password in the address would be committed — use agent or key path (key_file)")
    if not re.fullmatch(r"ssh://[a-z_][a-z0-9_-]*@[A-Za-z0-9.-]+(:[0-9]{1,5})?", host):
        raise ValueError("not an address of an SSH host — write ssh://user@host:port")
    if (port := _port(host)) is not None and not 0 < port < 65536:
        raise ValueError("port outside 1-65535 — give the port of its SSH server")
    return host


HostKey = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(public_key)]
"""One line of the host's /etc/ssh/*.pub: `ssh-ed25519 AAAA…`."""

SshAddress = Annotated[str, AfterValidator(ssh_address)]


class Jump(Value):
    """The SSH host on the way to others that cannot be reached directly. Pinned as every host is.

    Without `key_file` the SSH agent is asked.
    """

    host: SshAddress
    host_key: HostKey
    key_file: FilePath | None = None


def parts(host: str) -> tuple[str, str, int]:
    """User, name and port of an SSH address."""
    split = urlsplit(host)
    return split.username or "", split.hostname or "", split.port or DEFAULT_PORT


def _port(host: str) -> int | None:
    try:
        return urlsplit(host).port
    except ValueError:
        return -1
