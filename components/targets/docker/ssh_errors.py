"""What OpenSSH says when it cannot reach a host, told as what happened, what it means and what to do (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from components.targets.spec import Docker
from components.targets.spec.ssh import Jump


@dataclass(frozen=True)
class Failure:
    """Why a host cannot be used. `kind` is one word for tables."""

    kind: str
    what: str
    harm: str
    fix: str


class SshError(RuntimeError):
    """A host cannot be used over SSH. The text is one sentence with the fix; `failure` has its parts."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(f"{failure.what}: {failure.harm} — {failure.fix}")


NOTHING = "nothing was changed on it"

PASSING = frozenset({"unreachable", "refused", "cut"})
"""Kinds of failure that may be over in a moment; with any other, waiting is in vain."""

_KNOWN: tuple[tuple[str, str, str, str, str], ...] = (
    (
        r"Host key verification failed|HOST IDENTIFICATION HAS CHANGED|no matching host key type|No \S+ host key",
        "host key",
        "{host} shows another host key than the one that is pinned",
        "another machine may answer in its place, so it was not trusted and nothing was sent to it",
        "look at the host itself: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub. If its key was really changed, put"
        " the new one into host_key",
    ),
    (
        r"no such identity|Identity file \S+ not accessible|UNPROTECTED PRIVATE KEY|bad permissions|Load key",
        "key file",
        "the private key for {host} cannot be used ({said})",
        NOTHING,
        "check key_file: it must exist, be readable by you only (chmod 600) and be opened by the agent when it has a"
        " passphrase (ssh-add)",
    ),
    (
        r"Permission denied",
        "key refused",
        "{host} does not accept the key {key}",
        NOTHING,
        "append its public part to ~/.ssh/authorized_keys of that user on the host",
    ),
    (
        r"Could not resolve hostname|Name or service not known",
        "unknown name",
        "the name in {host} is not known here",
        NOTHING,
        "give its address, or mend the name server",
    ),
    (
        r"Connection refused",
        "refused",
        "{host} is there, and no SSH server answers on that port",
        NOTHING,
        "start sshd on it, or give the port it listens on",
    ),
    (
        r"timed out|No route to host|Network is unreachable|Host is down|not responding|banner exchange",
        "unreachable",
        "{host} does not answer",
        NOTHING,
        "check that it is switched on and that its firewall lets this machine in; then run the command again",
    ),
    (
        r"administratively prohibited|streamlocal|forwarding failed|Could not request local forwarding",
        "forwarding",
        "{host} forbids forwarding, by which its Docker engine is reached ({said})",
        NOTHING,
        "allow it in its sshd_config: AllowStreamLocalForwarding yes, AllowTcpForwarding yes",
    ),
    (
        r"Connection (closed|reset)|kex_exchange_identification|Broken pipe|lost connection",
        "cut",
        "the connection to {host} was cut ({said})",
        NOTHING,
        "run the command again; when it stays, its SSH server or what is on the way refuses this machine",
    ),
)

_DOCKER: dict[str, tuple[str, str, str]] = {
    "no-socket": (
        "no Docker",
        "no Docker engine listens on {host} (/var/run/docker.sock)",
        "install one (apt install docker.io) or start it: systemctl start docker",
    ),
    "not-allowed": (
        "not in group",
        "the user may not use the Docker engine of {host}",
        "on the host: sudo usermod -aG docker {user}; then run the command again",
    ),
    "no-client": (
        "no client",
        "{host} has a Docker engine and no `docker` command, by which Pulumi's provider talks to it",
        "install it on the host: apt install docker.io, or docker-ce-cli",
    ),
}


def explain(spec: Docker, said: str, code: int | None = None) -> SshError:
    """The error for what `ssh` printed before it ended with `code`."""
    line = _last(said)
    for pattern, kind, what, harm, fix in _KNOWN:
        if re.search(pattern, said, re.IGNORECASE):
            told = what.format(host=_told(spec, said), key=_key(spec, said), said=line)
            return SshError(Failure(kind, told, harm, fix))
    what = f"ssh to {spec.host} ended{'' if code is None else f' with {code}'}: {line or 'it said nothing'}"
    return SshError(Failure("ssh", what, NOTHING, "mend what it says, then run the command again"))


def explain_docker(spec: Docker, word: str) -> SshError | None:
    """The error for what the probe on the host found; None when the engine can be used."""
    if word not in _DOCKER:
        return None
    kind, what, fix = _DOCKER[word]
    user = (spec.host or "").removeprefix("ssh://").partition("@")[0]
    return SshError(Failure(kind, what.format(host=spec.host), NOTHING, fix.format(user=user)))


def silent(spec: Docker, seconds: float, waited_for: str) -> SshError:
    """The error for a host that was waited for in vain."""
    what = f"{spec.host} was silent for {seconds:.0f} s, waiting for {waited_for}"
    return SshError(Failure("unreachable", what, NOTHING, "check its link; then run the command again"))


def no_key_file(spec: Docker, path: str) -> SshError:
    """The error for a private key that is not where the stack file says."""
    what = f"the private key {path} for {spec.host} is not there"
    return SshError(Failure("key file", what, NOTHING, "put it there (mode 600), or remove key_file to use the agent"))


def _told(spec: Docker, said: str) -> str:
    return f"the jump host {spec.jump.host}" if spec.jump and _of_the_jump(spec.jump, said) else spec.host or ""


def _key(spec: Docker, said: str) -> str:
    asked = spec.jump if spec.jump and _of_the_jump(spec.jump, said) else spec
    return asked.key_file or "of the SSH agent"


def _of_the_jump(jump: Jump, said: str) -> bool:
    """Whether the message is about the jump host: it names it."""
    return jump.host.rpartition("@")[2].partition(":")[0] in said


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""
