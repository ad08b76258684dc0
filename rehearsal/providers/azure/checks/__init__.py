"""What Azure refuses because of what is there already, or of what the subscription allows.

Each check takes a `Request` and raises ArmError. The caller holds the store's lock, so nothing changes meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable

from rehearsal.providers.azure.checks import compute, everything, identity, network, vault
from rehearsal.providers.azure.request import Request

_CHECKS: dict[str, tuple[Callable[[Request], None], ...]] = {
    "network:Subnet": (network.fits_into_its_network,),
    "network:VirtualNetwork": (network.still_holds_its_subnets,),
    "managedidentity:FederatedIdentityCredential": (identity.is_the_only_such_credential,),
    "authorization:RoleAssignment": (identity.names_a_principal, identity.is_the_only_such_assignment),
    "keyvault:Vault": (vault.name_is_free, vault.keeps_its_protection),
    "keyvault:Secret": (vault.secret_is_not_deleted,),
    "containerregistry:Registry": (vault.registry_name_is_free,),
    "containerservice:ManagedCluster": (
        compute.cluster_version,
        compute.pools_of_cluster,
        compute.identities_of_cluster,
        network.does_not_overlap_services,
    ),
    "containerservice:AgentPool": (compute.pool_of_cluster,),
}


def check(request: Request) -> None:
    """Raise ArmError for the first thing that Azure would refuse."""
    everything.check(request)
    for one in _CHECKS.get(request.resource_type, ()):
        one(request)
