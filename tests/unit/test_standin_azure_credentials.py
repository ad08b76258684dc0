"""Kubeconfigs in the form in which AKS gives them out, and the login they name."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from rehearsal.providers.azure.credentials import SERVER_APPLICATION
from rehearsal.providers.azure.errors import ArmError, PluginError
from rehearsal.providers.azure.invokes import invoke
from rehearsal.providers.azure.kubelogin import install
from rehearsal.providers.azure.provider import Provider
from tests.unit.standin_azure_samples import TENANT, create, with_cluster

pytestmark = pytest.mark.unit
CLUSTER = {"resourceGroupName": "slm", "resourceName": "slm"}
USER = "azure-native:containerservice:listManagedClusterUserCredentials"
ADMIN = "azure-native:containerservice:listManagedClusterAdminCredentials"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


LOCAL: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "rehearsal",
    "clusters": [
        {"name": "local", "cluster": {"server": "https://127.0.0.1:6443", "certificate-authority-data": "Y2E="}}
    ],
    "contexts": [{"name": "rehearsal", "context": {"cluster": "local", "user": "admin"}}],
    "users": [
        {
            "name": "admin",
            "user": {"client-certificate-data": encoded("CERTIFICATE"), "client-key-data": encoded("KEY")},
        }
    ],
}


@pytest.fixture
def provider(tmp_path: Path) -> Provider:
    return with_cluster(tmp_path)


@pytest.fixture
def local(tmp_path: Path) -> Path:
    file = tmp_path / "local.yaml"
    file.write_text(yaml.safe_dump(LOCAL))
    return file


def kubeconfig(provider: Provider, local: Path, function: str = USER, **arguments: Any) -> Any:
    answer = invoke(provider.manager, function, CLUSTER | arguments, local)
    (found,) = answer["kubeconfigs"]
    return yaml.safe_load(base64.b64decode(found["value"]))


def test_a_users_kubeconfig_reaches_the_local_control_plane_by_kubelogin(provider: Provider, local: Path) -> None:
    config = kubeconfig(provider, local, format="exec")
    (user,), (cluster,) = config["users"], config["clusters"]
    assert config["current-context"] == "slm"
    assert cluster["cluster"]["server"] == "https://127.0.0.1:6443"
    assert user["name"] == "clusterUser_slm_slm"
    login = user["user"]["exec"]
    assert login["command"] == "kubelogin"
    assert login["args"][-2:] == ["--login", "devicecode"]
    assert login["args"][login["args"].index("--tenant-id") + 1] == TENANT
    assert "KEY" not in str(config)


def test_without_local_accounts_an_administrator_gets_nothing(provider: Provider, local: Path) -> None:
    with pytest.raises(ArmError, match="set to disable local accounts"):
        kubeconfig(provider, local, ADMIN)


def test_with_local_accounts_the_credential_is_in_the_kubeconfig(provider: Provider, local: Path) -> None:
    create(
        provider, "containerservice:ManagedCluster", resourceName="open", disableLocalAccounts=False, aadProfile=None
    )
    for function, context in ((ADMIN, "open-admin"), (USER, "open")):
        config = kubeconfig(provider, local, function, resourceName="open")
        assert config["current-context"] == context
        assert config["users"][0]["user"] == LOCAL["users"][0]["user"]


def test_a_cluster_that_is_not_there_or_not_ready_has_no_credentials(provider: Provider, local: Path) -> None:
    with pytest.raises(ArmError, match="ResourceNotFound"):
        kubeconfig(provider, local, resourceName="none")


def test_without_a_control_plane_the_message_says_what_to_do(provider: Provider, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="start the rehearsal's control plane first"):
        kubeconfig(provider, tmp_path / "none.yaml")


def test_who_is_logged_in_is_answered(provider: Provider, local: Path) -> None:
    answer = invoke(provider.manager, "azure-native:authorization:getClientConfig", {}, local)
    assert answer["tenantId"] == TENANT
    assert answer.keys() == {"clientId", "objectId", "subscriptionId", "tenantId"}


def test_resources_can_be_looked_up(provider: Provider, local: Path) -> None:
    answer = invoke(provider.manager, "azure-native:containerservice:getManagedCluster", CLUSTER, local)
    assert answer["dnsPrefix"] == "slm"
    with pytest.raises(ArmError, match="ResourceNotFound"):
        invoke(
            provider.manager, "azure-native:keyvault:getVault", {"resourceGroupName": "slm", "vaultName": "x"}, local
        )
    with pytest.raises(PluginError, match="does not simulate the function"):
        invoke(provider.manager, "azure-native:web:listSites", {}, local)


def login(directory: Path, local: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = install(directory / "bin", local)
    environment = {"PATH": f"{command.parent}:{os.environ['PATH']}"}
    return subprocess.run(["kubelogin", *arguments], env=environment, capture_output=True, text=True, timeout=60)


def test_kubelogin_hands_out_the_control_planes_credential(tmp_path: Path, local: Path) -> None:
    done = login(tmp_path, local, "get-token", "--login", "azurecli", "--server-id", SERVER_APPLICATION)
    answer = json.loads(done.stdout)
    assert answer["kind"] == "ExecCredential"
    assert answer["status"] == {"clientCertificateData": "CERTIFICATE", "clientKeyData": "KEY"}
    local.write_text(yaml.safe_dump(LOCAL | {"users": [{"name": "admin", "user": {"token": "t"}}]}))
    again = login(tmp_path, local, "get-token", "--login", "azurecli", "--server-id", SERVER_APPLICATION)
    assert json.loads(again.stdout)["status"] == {"token": "t"}


def test_a_kubernetes_client_gets_in_by_the_kubeconfig_once_its_login_is_rewritten(
    provider: Provider, local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kubernetes.config import new_client_from_config_dict

    config = kubeconfig(provider, local, format="exec")
    arguments = config["users"][0]["user"]["exec"]["args"]
    arguments[arguments.index("--login") + 1] = "azurecli"
    monkeypatch.setenv("PATH", f"{install(tmp_path / 'bin', local).parent}:{os.environ['PATH']}")
    client = new_client_from_config_dict(config).configuration
    assert Path(client.cert_file).read_text() == "CERTIFICATE"
    assert Path(client.key_file).read_text() == "KEY"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--login", "devicecode", "--server-id", SERVER_APPLICATION], "waits for a person at a browser"),
        (["--server-id", SERVER_APPLICATION], "waits for a person at a browser"),
        (["--login", "azurecli", "--server-id", TENANT], "no application"),
        (["--login", "azurecli"], "--server-id"),
        (["--login", "password", "--server-id", SERVER_APPLICATION], "invalid choice"),
        (
            ["--login", "workloadidentity", "--server-id", SERVER_APPLICATION],
            "needs AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_FEDERATED_TOKEN_FILE",
        ),
    ],
)
def test_kubelogin_fails_where_it_would_with_aks(tmp_path: Path, local: Path, arguments: list[str], words: str) -> None:
    done = login(tmp_path, local, "get-token", *arguments)
    assert done.returncode != 0
    assert words in done.stderr
    assert done.stdout == ""
