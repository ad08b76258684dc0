"""Configuration and secret files, from the stack's configuration or from a key vault; names, labels and addresses."""

from __future__ import annotations

import base64
import re

import pytest
import yaml

from components.targets.kubernetes.contents import encoded, revision
from components.targets.kubernetes.files import config_map, file_volumes, secret, vault_class, vault_object
from components.targets.kubernetes.names import Names, is_loopback
from components.targets.kubernetes.site import Vault
from components.targets.placement import Exposure, Scale, UnsupportedError
from components.workload import File, SecretFile
from tests.unit.kubernetes_samples import names, page, service, site

pytestmark = pytest.mark.unit


def test_another_content_is_another_object_which_never_changes() -> None:
    one, two = config_map(service(), names()), config_map(service(files=(File(name="probe.sh", content="x"),)), names())
    assert one is not None
    assert two is not None
    assert one["immutable"] is True
    assert one["data"] == {"probe.sh": "exit 0"}
    assert one["metadata"]["name"] != two["metadata"]["name"]
    assert one == config_map(service(args=("other",)), names())
    assert config_map(service(files=()), names()) is None


def test_files_that_no_object_could_hold_are_refused() -> None:
    large = service(files=(File(name="a", content="x" * 600_000), File(name="b", content="y" * 600_000)))
    with pytest.raises(UnsupportedError, match=r"'chat' has 1200000 bytes of files.*into a volume"):
        config_map(large, names())


def test_control_32_a_changed_secret_keeps_its_name_so_that_running_pods_get_it() -> None:
    one = secret(page(), names(), {"key": encoded("a")})
    two = secret(page(), names(), {"key": encoded("b")})
    assert one["metadata"] == two["metadata"]
    assert "immutable" not in one
    assert base64.b64decode(one["data"]["key"]) == b"a"
    assert one["type"] == "Opaque"


def test_control_65_a_revision_tells_that_something_changed_and_not_what_it_is() -> None:
    one = revision({"a": "x", "b": "y"}, "slm/page")
    assert one == revision({"b": "y", "a": "x"}, "slm/page")
    others = [revision({"a": "x", "b": "z"}, "slm/page"), revision({"a": "xy", "b": ""}, "slm/page")]
    others.append(revision({"a": "x", "b": "y"}, "slm/other"))
    assert len({one, *others}) == 4
    assert re.fullmatch("[0-9a-f]{16}", one)


def test_control_58_pods_get_secrets_from_the_vault_by_their_own_identity() -> None:
    workload = page()
    found = vault_class(workload, names(), Vault(name="slm-prod"), "client", "tenant")
    assert (found["kind"], found["spec"]["provider"]) == ("SecretProviderClass", "azure")
    parameters = found["spec"]["parameters"]
    assert (parameters["clientID"], parameters["tenantId"], parameters["keyvaultName"]) == (
        "client", "tenant", "slm-prod",
    )  # fmt: skip
    assert (parameters["usePodIdentity"], parameters["useVMManagedIdentity"]) == ("false", "false")
    [entry] = yaml.safe_load(parameters["objects"])["array"]
    assert yaml.safe_load(entry) == {"objectName": "page-key", "objectType": "secret", "objectAlias": "key"}
    [synced] = found["spec"]["secretObjects"]
    assert synced["secretName"] == secret(workload, names(), {})["metadata"]["name"]
    assert synced["data"] == [{"objectName": "key", "key": "key"}]


def test_control_58_the_vaults_volume_is_mounted_for_nothing_is_asked_of_it_otherwise() -> None:
    volumes, mounts = file_volumes(page(), names(vault={"name": "slm-prod"}))
    assert volumes[1] == {
        "name": "vault",
        "csi": {
            "driver": "secrets-store.csi.k8s.io",
            "readOnly": True,
            "volumeAttributes": {"secretProviderClass": "page-secrets"},
        },
    }
    assert mounts[1]["readOnly"] is True
    assert mounts[0]["mountPath"] == "/etc/slm", "the files are where every target has them"
    assert [v["name"] for v in file_volumes(service(), names(vault={"name": "slm-prod"}))[0]] == ["files"]


@pytest.mark.parametrize(
    ("name", "there"), [("gateway-keys", "gateway-keys"), ("bearer:cloud.key", "bearer-cloud-key")]
)
def test_a_secrets_name_is_one_that_the_vault_allows(name: str, there: str) -> None:
    assert vault_object(name) == there
    workload = service(secrets=(SecretFile(name="k", secret=name),))
    assert there in vault_class(workload, names(), Vault(name="v"), "c", "t")["spec"]["parameters"]["objects"]


@pytest.mark.parametrize("stack", ["dev", "a" * 63, "a" * 64, "x-", "A_b"])
def test_labels_are_ones_that_kubernetes_takes(stack: str) -> None:
    value = Names(site(), stack).instance
    assert len(value) <= 63
    assert value[-1].isalnum()
    assert (value == stack) == (len(stack) <= 63 and stack[-1].isalnum())


def test_two_stacks_never_have_the_same_instance() -> None:
    long = [Names(site(), "a" * 70 + end).instance for end in "xy"]
    assert long[0] != long[1]


def test_every_workload_has_one_name_in_the_cluster_and_room_for_a_rollouts_copy() -> None:
    assert names().host_of("chat") == "chat.slm.svc.cluster.local"
    assert names(cluster_domain="k8s.example").host_of("chat") == "chat.slm.svc.k8s.example"
    assert names().resolver() is None
    assert names().addresses_of(Scale(1, 3)) == 4


@pytest.mark.parametrize(
    ("exposure", "port", "expected"),
    [("none", 8080, "127.0.0.1:8080"), ("internal", 8443, "slm.example.org:8443"), ("public", 443, "slm.example.org")],
)
def test_clients_call_the_name_that_leads_to_the_load_balancer(exposure: str, port: int, expected: str) -> None:
    given_hosts = ("localhost", "127.0.0.1", "[::1]", "slm.example.org")
    assert names(exposure=exposure).outside(Exposure("127.0.0.1", port, given_hosts)) == expected


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"])
def test_names_of_the_own_machine_are_known(host: str) -> None:
    assert is_loopback(host)
    assert not is_loopback("10.0.0.1")
    assert not is_loopback("localhost.example.org")
