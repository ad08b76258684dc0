"""Who acts: the control plane, the nodes, and pods that read secrets; and what each of them may do."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import authorization, managedidentity

from components.catalog.azure import azure
from components.targets.aks.ground import Ground


class Identities(pulumi.ComponentResource):
    """Three identities without passwords. `tenant_id` and `subscription_id` are where everything of the target is."""

    def __init__(self, ground: Ground) -> None:
        name = f"{ground.name}-identities"
        super().__init__("slm:aks:identities", name, None, pulumi.ResourceOptions(parent=ground.parent))
        self._ground = ground
        self.control_plane = self._identity("control-plane")
        self.kubelet = self._identity("kubelet")
        self.workload = self._identity("workload")
        # Asked of what was made, so that a preview needs no answer of Azure.
        self.tenant_id = self.workload.tenant_id
        self.subscription_id = ground.group.id.apply(lambda group: group.split("/")[2])
        self.register_outputs({})

    def _identity(self, what: str) -> managedidentity.UserAssignedIdentity:
        return managedidentity.UserAssignedIdentity(
            f"{self._ground.name}-identity-{what}",
            resource_name_=self._ground.names.part(what),
            **self._ground.common(),
            opts=self._ground.under(self),
        )

    def assign(
        self, what: str, role: str, scope: pulumi.Input[str], principal: pulumi.Input[str], *, group: bool = False
    ) -> authorization.RoleAssignment:
        """Give a role of the catalogue to an identity of this stack, or to a `group` of people, on one scope."""
        row = azure().roles[role]
        definition = self.subscription_id.apply(
            lambda id_: f"/subscriptions/{id_}/providers/Microsoft.Authorization/roleDefinitions/{row.id}"
        )
        return authorization.RoleAssignment(
            f"{self._ground.name}-role-{what}",
            scope=scope,
            principal_id=principal,
            # Said at once, Azure does not look for an identity that it has not heard of everywhere yet.
            principal_type=authorization.PrincipalType.GROUP
            if group
            else authorization.PrincipalType.SERVICE_PRINCIPAL,
            role_definition_id=definition,
            description=f"{row.name}: {row.why}",
            opts=self._ground.under(self),
        )
