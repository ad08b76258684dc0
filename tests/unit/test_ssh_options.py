"""The command line under which OpenSSH talks to an edge host: whom it trusts, with what it logs in, what it says."""

from __future__ import annotations

import itertools
import shlex
from pathlib import Path

import pytest

from components.targets.docker import ssh, ssh_errors
from components.targets.spec import Docker
from components.targets.spec.ssh import Jump
from tests.unit.settings_base import HOST_KEY

pytestmark = pytest.mark.unit

OTHER_KEY = HOST_KEY[:-3] + "BBB"
PLAIN = Docker(host="ssh://slm@192.0.2.11:2222", host_key=HOST_KEY, key_file="~/.ssh/fleet")
JUMP = Jump(host="ssh://gate@192.0.2.1", host_key=OTHER_KEY)


def settings(words: tuple[str, ...] | list[str]) -> dict[str, str]:
    """What `-o` says, the first time it says it, as OpenSSH reads it."""
    found: dict[str, str] = {}
    for option, value in itertools.pairwise(words):
        if option == "-o":
            found.setdefault(*value.split("=", 1))
    return found


def test_control_20_only_the_pinned_key_is_trusted_and_no_file_is_asked() -> None:
    words = ssh.options(PLAIN)
    said = settings(words)
    assert words[:2] == ("-F", "none")
    assert said["StrictHostKeyChecking"] == "yes"
    assert said["UserKnownHostsFile"] == said["GlobalKnownHostsFile"] == "/dev/null"
    assert said["KnownHostsCommand"] == f"/bin/echo %H {HOST_KEY}"
    assert said["HostKeyAlgorithms"] == "ssh-ed25519"
    assert said["UpdateHostKeys"] == "no"


def test_control_20_nobody_is_asked_for_a_password() -> None:
    said = settings(ssh.options(PLAIN))
    assert said["BatchMode"] == "yes"
    assert said["PreferredAuthentications"] == "publickey"
    assert said["PasswordAuthentication"] == said["KbdInteractiveAuthentication"] == "no"


def test_the_key_is_the_named_file_or_the_agents_and_never_one_that_happens_to_be_there() -> None:
    assert settings(ssh.options(PLAIN))["IdentityFile"] == "~/.ssh/fleet"
    assert settings(ssh.options(PLAIN))["IdentitiesOnly"] == "yes"
    agent = settings(ssh.options(PLAIN.model_copy(update={"key_file": None})))
    assert agent["IdentityFile"] == "none"
    assert "IdentitiesOnly" not in agent


def test_control_20_the_jump_host_is_pinned_as_well() -> None:
    way = settings(ssh.options(PLAIN.model_copy(update={"jump": JUMP})))["ProxyCommand"]
    words = shlex.split(way)
    said = settings(words)
    assert said["StrictHostKeyChecking"] == "yes"
    # The outer OpenSSH takes one of the two away, and the inner one finds its own %H.
    assert said["KnownHostsCommand"] == f"/bin/echo %%H {OTHER_KEY}"
    assert words[words.index("-W") + 1] == "[%h]:%p"
    assert words[-2:] == ["--", "192.0.2.1"]
    assert words[words.index("-l") + 1] == "gate"


def test_the_state_names_no_path_of_one_machine() -> None:
    home = str(Path.home())
    assert not [word for word in ssh.options(PLAIN) if home in word or "/tmp/" in word]
    assert ssh.options(PLAIN) == ssh.options(PLAIN.model_copy())


def test_control_20_a_connection_made_under_another_key_is_not_shared() -> None:
    ways = [
        PLAIN,
        PLAIN.model_copy(update={"host_key": OTHER_KEY}),
        PLAIN.model_copy(update={"host": "ssh://root@192.0.2.11:2222"}),
        PLAIN.model_copy(update={"key_file": "~/.ssh/other"}),
        PLAIN.model_copy(update={"jump": JUMP}),
    ]
    assert len({ssh.shared(way) for way in ways}) == len(ways)


def test_an_address_never_becomes_an_option() -> None:
    words = ssh.command(PLAIN, "docker", "ps", extra=("-o", "ControlMaster=yes"))
    assert words[0] == "ssh"
    assert words[words.index("--") + 1 :] == ["192.0.2.11", "docker", "ps"]
    assert words[words.index("-p") + 1] == "2222"
    assert settings(words)["ControlMaster"] == "yes", "what comes first counts"


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (
            "No ED25519 host key is known for 192.0.2.11 …\nHost key verification failed.",
            "host key",
            "another host key",
        ),
        ("Unable to negotiate: no matching host key type found.", "host key", "another host key"),
        ("slm@192.0.2.11: Permission denied (publickey).", "key refused", "does not accept the key ~/.ssh/fleet"),
        ('Load key "/x": invalid format\nPermission denied (publickey).', "key file", "cannot be used"),
        ("ssh: connect to host 192.0.2.11 port 22: Connection refused", "refused", "no SSH server answers"),
        ("ssh: connect to host 192.0.2.11 port 22: Connection timed out", "unreachable", "does not answer"),
        ("ssh: connect to host 192.0.2.11 port 22: No route to host", "unreachable", "does not answer"),
        ("ssh: Could not resolve hostname x: Name or service not known", "unknown name", "not known here"),
        ("channel 0: open failed: administratively prohibited", "forwarding", "forbids forwarding"),
        ("kex_exchange_identification: Connection closed by remote host", "cut", "was cut"),
        ("something new", "ssh", "ended with 255: something new"),
        ("", "ssh", "it said nothing"),
    ],
)
def test_what_openssh_says_is_told_apart(said: str, kind: str, words: str) -> None:
    error = ssh_errors.explain(PLAIN, said, 255)
    assert error.failure.kind == kind
    assert words in str(error)
    assert error.failure.fix


def test_a_failure_of_the_jump_host_is_told_as_its_own() -> None:
    behind = PLAIN.model_copy(update={"jump": JUMP})
    said = "gate@192.0.2.1: Permission denied (publickey).\nConnection closed by UNKNOWN port 65535"
    told = str(ssh_errors.explain(behind, said, 255))
    assert "the jump host ssh://gate@192.0.2.1" in told
    assert "the key of the SSH agent" in told


@pytest.mark.parametrize(
    ("word", "kind"), [("no-socket", "no Docker"), ("not-allowed", "not in group"), ("no-client", "no client")]
)
def test_what_the_host_lacks_is_told_with_its_fix(word: str, kind: str) -> None:
    error = ssh_errors.explain_docker(PLAIN, word)
    assert error
    assert error.failure.kind == kind
    assert "{" not in str(error)
    assert ssh_errors.explain_docker(PLAIN, "ready") is None
