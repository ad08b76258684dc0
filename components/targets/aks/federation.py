"""Which service accounts of the cluster may act as the identity that reads the vault (control 58)."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import containerservice as aks
from pulumi_azure_native import managedidentity

from components.targets.aks.ground import Ground
from components.targets.aks.identities import Identities
from components.targets.placement import UnsupportedError

AUDIENCE = "api://AzureADTokenExchange"
MOST = 20
"""Azure allows so many federated credentials for one identity."""


class Federation(pulumi.ComponentResource):
    """Federated credentials of one identity, one for each service account that reads secrets."""

    def __init__(self, ground: Ground, identities: Identities, cluster: aks.ManagedCluster) -> None:
        name = f"{ground.name}-federation"
        super().__init__("slm:aks:federation", name, None, pulumi.ResourceOptions(parent=ground.parent))
        self._ground, self._identity = ground, identities.workload
        self._issuer = cluster.oidc_issuer_profile.apply(lambda profile: profile.issuer_url if profile else "")
        self._made: dict[tuple[str, str], managedidentity.FederatedIdentityCredential] = {}
        self.register_outputs({})

    def federate(self, namespace: str, service_account: str) -> pulumi.Resource:
        """The credential of a service account, made once. Raises UnsupportedError for more than Azure allows."""
        key = (namespace, service_account)
        if key not in self._made:
            if len(self._made) == MOST:
                raise UnsupportedError(
                    f"workload {service_account}: more than {MOST} of target '{self._ground.name}' read secrets of"
                    " the vault, and Azure lets one identity have no more — put some of them into another stack"
                )
            self._made[key] = managedidentity.FederatedIdentityCredential(
                f"{self._ground.name}-federated-{service_account}",
                federated_identity_credential_resource_name=f"{namespace}-{service_account}",
                resource_name_=self._identity.name,
                resource_group_name=self._ground.group.name,
                issuer=self._issuer,
                subject=f"system:serviceaccount:{namespace}:{service_account}",
                audiences=[AUDIENCE],
                # Two at once on one identity are answered with 409.
                opts=self._ground.under(self, depends_on=list(self._made.values())[-1:]),
            )
        return self._made[key]
