"""Settings of Docker hosts and clusters that exist: what is accepted, and what they say of themselves."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from components.targets.spec import Docker
from tests.unit.settings_base import HOST_KEY

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("host", [None, "unix:///var/run/docker.sock", "unix:///run/user/1000/docker.sock"])
def test_a_local_engine_needs_nothing(host: str | None) -> None:
    assert not Docker(host=host).remote


@pytest.mark.parametrize("host", ["ssh://slm@192.0.2.10", "ssh://slm@edge-1.example.org:2222"])
def test_a_pinned_ssh_host_is_accepted(host: str) -> None:
    target = Docker(host=host, host_key=HOST_KEY, key_file="~/.ssh/id_ed25519")
    assert target.remote
    assert target.name == host.rpartition("@")[2].partition(":")[0]


def test_a_jump_host_must_be_pinned_as_well() -> None:
    way = {"host": "ssh://slm@gate.example.org", "host_key": HOST_KEY}
    target = Docker.model_validate({"host": "ssh://slm@h", "host_key": HOST_KEY, "jump": way})
    assert target.jump
    assert target.jump.host == way["host"]
    with pytest.raises(ValidationError, match="host_key"):
        Docker.model_validate({"host": "ssh://slm@h", "host_key": HOST_KEY, "jump": {"host": way["host"]}})
    with pytest.raises(ValidationError, match="belong to an ssh:// host"):
        Docker.model_validate({"jump": way})


def test_a_host_keys_comment_does_not_count() -> None:
    assert Docker(host="ssh://slm@h", host_key=f"{HOST_KEY} root@h").host_key == HOST_KEY


@pytest.mark.parametrize(
    "host", ["http://h", "ssh://h", "ssh://slm@h:0", "ssh://slm@h:70000", "ssh://slm@h/x", "ssh://-o@h", "h", ""]
)
def test_other_addresses_are_refused(host: str) -> None:
    with pytest.raises(ValidationError):
        Docker(host=host, host_key=HOST_KEY)


def test_a_host_key_without_an_ssh_host_is_refused_rather_than_ignored() -> None:
    with pytest.raises(ValidationError, match="belong to an ssh:// host"):
        Docker(host_key=HOST_KEY)


@pytest.mark.parametrize(
    "key",
    ["AAAA", "ssh-ed25519", "ssh-dss AAAAB3NzaC1kc3MAAACBAAAA", HOST_KEY.replace("ssh-ed25519", "ssh-rsa"), "x y"],
)
def test_what_is_no_public_host_key_is_refused(key: str) -> None:
    with pytest.raises(ValidationError, match="not a public SSH host key"):
        Docker(host="ssh://slm@h", host_key=key)
