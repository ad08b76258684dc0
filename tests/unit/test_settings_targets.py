"""Settings of targets: what is accepted, and what a target says of itself."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from components.targets.spec import Aks, Docker, Kubernetes, Pool
from tests.unit.settings_base import HOST_KEY

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("host", [None, "unix:///var/run/docker.sock", "unix:///run/user/1000/docker.sock"])
def test_a_local_engine_needs_nothing_and_can_be_deployed_to(host: str | None) -> None:
    target = Docker(host=host)
    assert not target.remote
    assert target.undeployable is None


@pytest.mark.parametrize("host", ["ssh://slm@192.0.2.10", "ssh://slm@edge-1.example.org:2222"])
def test_a_pinned_ssh_host_is_accepted_and_not_deployable_yet(host: str) -> None:
    target = Docker(host=host, host_key=HOST_KEY, key_file="~/.ssh/id_ed25519")
    assert target.remote
    assert target.undeployable


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


def test_a_cluster_counts_the_gpus_of_all_its_pools_at_their_largest() -> None:
    pools = {"sys": Pool(vm_size="Standard_D4as_v5"), "gpu": Pool(vm_size="Standard_NC4as_T4_v3", gpus=2, max_nodes=3)}
    assert Aks(location="westeurope", pools=pools).gpus == 6


def test_a_pool_cannot_shrink_to_more_than_it_grows() -> None:
    with pytest.raises(ValidationError, match="min_nodes 3 is above max_nodes 2"):
        Pool(vm_size="Standard_D4as_v5", min_nodes=3, max_nodes=2)


def test_a_public_api_server_needs_ranges_and_a_private_one_refuses_them() -> None:
    pools = {"sys": Pool(vm_size="Standard_D4as_v5")}
    assert Aks(location="westeurope", pools=pools, private=False, authorized_ranges=("203.0.113.0/24",))
    with pytest.raises(ValidationError, match="has no public ranges"):
        Aks(location="westeurope", pools=pools, authorized_ranges=("203.0.113.0/24",))


def test_every_target_that_cannot_be_deployed_to_says_so() -> None:
    assert Kubernetes(kubeconfig="~/.kube/config").undeployable
    assert Aks(location="westeurope", pools={"sys": Pool(vm_size="Standard_D4as_v5")}).undeployable
