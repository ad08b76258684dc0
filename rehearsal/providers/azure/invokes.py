"""Functions of azure-native that a program calls: credentials of a cluster, who is logged in, and what exists."""

from __future__ import annotations

import base64
from pathlib import Path

from rehearsal.providers.azure import arm_ids
from rehearsal.providers.azure.catalogue import catalogue
from rehearsal.providers.azure.credentials import as_admin, as_user
from rehearsal.providers.azure.errors import PluginError, bad_request, not_found
from rehearsal.providers.azure.manager import Manager
from rehearsal.providers.azure.store import Record
from rehearsal.providers.azure.values import Properties, at

_CLUSTER = "containerservice:ManagedCluster"


def invoke(manager: Manager, function: str, arguments: Properties, kubeconfig: Path) -> Properties:
    """The answer of a function. `kubeconfig` is that of the control plane that plays every cluster.

    Raises PluginError for a function that is not simulated, ArmError when Azure would refuse.
    """
    name = function.removeprefix("azure-native:")
    match name:
        case "authorization:getClientConfig":
            it = manager.subscription
            return {
                "clientId": it.client,
                "objectId": it.principal,
                "subscriptionId": it.subscription,
                "tenantId": it.tenant,
            }
        case "containerservice:listManagedClusterUserCredentials":
            cluster = _cluster(manager, arguments)
            text = as_user(kubeconfig, _group(cluster), cluster.name, manager.subscription.tenant, _exec(cluster))
            return _kubeconfigs("clusterUser", text)
        case "containerservice:listManagedClusterAdminCredentials":
            cluster = _cluster(manager, arguments)
            if cluster.inputs.get("disableLocalAccounts"):
                raise bad_request(
                    "Getting static credential is not allowed because this cluster is set to disable local accounts."
                )
            return _kubeconfigs("clusterAdmin", as_admin(kubeconfig, _group(cluster), cluster.name))
    return _get(manager, name, arguments)


def _get(manager: Manager, name: str, arguments: Properties) -> Properties:
    """`getVault` and the like: what a resource that exists answers."""
    module, _, function = name.partition(":")
    resource_type = f"{module}:{function.removeprefix('get')}"
    if not function.startswith("get") or resource_type not in catalogue():
        raise PluginError(f"the azure-native stand-in does not simulate the function azure-native:{name}")
    arm_id = catalogue()[resource_type].arm_id(arguments, manager.subscription.subscription)
    outputs = manager.read(resource_type, arm_id)
    if outputs is None:
        raise not_found("ResourceNotFound", f"The Resource '{arm_id}' was not found.")
    return outputs | {"id": arm_id}


def _cluster(manager: Manager, arguments: Properties) -> Record:
    arm_id = catalogue()[_CLUSTER].arm_id(arguments, manager.subscription.subscription)
    cluster = manager.store.get(arm_id)
    if cluster is None:
        raise not_found("ResourceNotFound", f"The Resource '{arm_id}' was not found.")
    if cluster.state != "Succeeded":
        raise bad_request(f"The cluster '{cluster.name}' is {cluster.state}, and has no credentials yet.")
    return cluster


def _group(cluster: Record) -> str:
    return arm_ids.name_of(arm_ids.group_of(cluster.id) or "")


def _exec(cluster: Record) -> bool:
    """With Entra ID a user's kubeconfig holds no credential, but the program that gets one."""
    return bool(at(cluster.inputs, "aadProfile.managed"))


def _kubeconfigs(name: str, text: str) -> Properties:
    return {"kubeconfigs": [{"name": name, "value": base64.b64encode(text.encode()).decode()}]}
