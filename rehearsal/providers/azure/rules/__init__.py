"""What Azure refuses beyond wrong names and types: rules of our own that need nothing but a resource's inputs (pure).

Sentences that Azure's users quote are used where one was found; the others are ours. A rule says nothing about a value
that is not known yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rehearsal.providers.azure.failures import Failure
from rehearsal.providers.azure.rules import cluster, identity, monitoring, names, network, pools, registry, vault
from rehearsal.providers.azure.values import Properties

Rule = Callable[[Properties], Iterator[Failure]]

_RULES: dict[str, tuple[Rule, ...]] = {
    "network:VirtualNetwork": (network.virtual_network,),
    "network:Subnet": (network.subnet,),
    "network:PublicIPAddress": (network.public_address,),
    "network:NetworkSecurityGroup": (network.security_group,),
    "managedidentity:FederatedIdentityCredential": (identity.federated_credential,),
    "authorization:RoleAssignment": (identity.role_assignment,),
    "keyvault:Vault": (vault.vault,),
    "keyvault:Secret": (vault.secret,),
    "containerregistry:Registry": (registry.registry,),
    "operationalinsights:Workspace": (monitoring.workspace,),
    "containerservice:ManagedCluster": (cluster.pools_of_cluster, cluster.access, cluster.networking, cluster.addons),
    "containerservice:AgentPool": (pools.agent_pool,),
    "containerservice:MaintenanceConfiguration": (cluster.maintenance,),
    "alertsmanagement:PrometheusRuleGroup": (monitoring.rule_group,),
    "consumption:Budget": (monitoring.budget,),
}


def rule_failures(resource_type: str, inputs: Properties) -> Iterator[Failure]:
    """Everything that the rules find wrong with these inputs."""
    yield from names.name_failures(resource_type, inputs)
    yield from names.tag_failures(inputs)
    for rule in _RULES.get(resource_type, ()):
        yield from rule(inputs)
