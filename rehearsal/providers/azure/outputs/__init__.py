"""What Azure answers about a resource: its inputs, what it takes where they are silent, and what it makes itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rehearsal.providers.azure.outputs import containers, managed, network
from rehearsal.providers.azure.outputs.context import Context
from rehearsal.providers.azure.schema import Fields, Schema
from rehearsal.providers.azure.secrets import withheld
from rehearsal.providers.azure.values import Properties, merged

_MAKERS: dict[str, Callable[[Context], Properties]] = {
    "resources:ResourceGroup": managed.group,
    "network:VirtualNetwork": network.virtual_network,
    "network:PublicIPAddress": network.public_address,
    "network:PrivateEndpoint": network.private_endpoint,
    "managedidentity:UserAssignedIdentity": managed.identity,
    "keyvault:Vault": managed.vault,
    "keyvault:Secret": managed.secret,
    "keyvault:Key": managed.key,
    "containerregistry:Registry": managed.registry,
    "operationalinsights:Workspace": managed.workspace,
    "containerservice:ManagedCluster": containers.cluster,
    "containerservice:AgentPool": containers.agent_pool,
    "monitor:AzureMonitorWorkspace": managed.monitor_workspace,
    "monitor:DataCollectionEndpoint": managed.collection_endpoint,
    "monitor:DataCollectionRule": managed.collection_rule,
    "dashboard:Grafana": managed.grafana,
}


def answer(schema: Schema, context: Context, state: str) -> Properties:
    """What a read of the resource answers while it is in this state."""
    shape = schema.resources[context.resource_type]
    given = {name: value for name, value in context.inputs.items() if name in shape.outputs}
    made = _MAKERS[context.resource_type](context) if context.resource_type in _MAKERS else {}
    own = {
        "name": context.name,
        "type": context.row.type_name,
        "provisioningState": state,
        "azureApiVersion": shape.api_version,
    }
    # A pool's `type` is one of its inputs; everywhere else it is the name of the resource's type.
    own = {k: v for k, v in own.items() if k in shape.outputs and not (k == "type" and "type" in shape.inputs)}
    answered = _with_identities(schema, shape.outputs, context, merged(merged(own, given), made))
    return withheld(context.resource_type, answered)


def _with_identities(schema: Schema, fields: Fields, context: Context, answered: Properties) -> Properties:
    """Identities are given as a list of ids, and answered as a map that says who each of them is."""
    identity: Any = answered.get("identity")
    if not isinstance(identity, dict) or "identity" not in fields:
        return answered
    listed = identity.get("userAssignedIdentities")
    plain = {k: v for k, v in identity.items() if k != "userAssignedIdentities"}
    if isinstance(listed, list):
        plain["userAssignedIdentities"] = {arm_id: context.who(arm_id) for arm_id in listed}
    if "SystemAssigned" in str(plain.get("type", "")):
        plain |= {"principalId": context.guid("principal"), "tenantId": context.subscription.tenant}
    known = schema.fields_of(fields["identity"])
    return answered | {"identity": {name: value for name, value in plain.items() if name in known}}
