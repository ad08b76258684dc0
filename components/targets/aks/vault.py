"""The key vault (control 62): closed to the public, roles instead of lists, deleted secrets can be restored."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi_azure_native import keyvault

from components.targets.aks.ground import Ground, adopted
from components.targets.aks.identities import Identities
from components.targets.aks.network import AksNetwork
from components.targets.aks.private_endpoint import PrivateEndpoint
from components.targets.spec.aks import KeyVault

ZONE = "privatelink.vaultcore.azure.net"


def vault_properties(spec: KeyVault, tenant_id: pulumi.Input[str]) -> keyvault.VaultPropertiesArgs:
    """What the vault is like."""
    return keyvault.VaultPropertiesArgs(
        sku=keyvault.SkuArgs(family=keyvault.SkuFamily.A, name=keyvault.SkuName(spec.sku)),
        tenant_id=tenant_id,
        enable_rbac_authorization=True,
        enable_soft_delete=True,
        soft_delete_retention_in_days=spec.soft_delete_days,
        # It cannot be switched off again, and Azure refuses even the word false.
        enable_purge_protection=True if spec.purge_protection else None,
        public_network_access="Disabled",
        network_acls=keyvault.NetworkRuleSetArgs(
            bypass=keyvault.NetworkRuleBypassOptions.AZURE_SERVICES, default_action=keyvault.NetworkRuleAction.DENY
        ),
    )


class AksVault(pulumi.ComponentResource):
    """Vault, its private address, who may read and who may write; with KMS the key that etcd is encrypted with."""

    def __init__(self, ground: Ground, spec: KeyVault, identities: Identities, inside: AksNetwork) -> None:
        super().__init__("slm:aks:vault", f"{ground.name}-vault", None, pulumi.ResourceOptions(parent=ground.parent))
        target = ground.spec
        kept: dict[str, Any] = {"protect": target.protect.vault, "retain_on_delete": target.retain.vault}
        path = f"/providers/Microsoft.KeyVault/vaults/{spec.name}"

        def retained(below: str) -> str | None:
            return adopted(target, ground.names, path + below) if target.retain.vault else None

        self.vault = keyvault.Vault(
            f"{ground.name}-keyvault",
            vault_name=spec.name,
            properties=vault_properties(spec, identities.tenant_id),
            **ground.kept(),
            opts=ground.under(self, **kept, import_=retained("")),
        )
        self.endpoint = PrivateEndpoint(ground, "vault", self.vault.id, "vault", ZONE, inside)
        self.readers = identities.assign(
            "secrets", "key_vault_secrets_user", self.vault.id, identities.workload.principal_id
        )
        for number, group in enumerate(target.admin_group_ids, start=1):
            identities.assign(f"secrets-admin-{number}", "key_vault_secrets_officer", self.vault.id, group, group=True)
        self.key: keyvault.Key | None = None
        self.for_the_control_plane: list[pulumi.Resource] = []
        if target.kms:
            self.key = keyvault.Key(
                f"{ground.name}-etcd-key",
                key_name="etcd",
                vault_name=self.vault.name,
                resource_group_name=ground.data_group.name,
                properties=keyvault.KeyPropertiesArgs(kty=keyvault.JsonWebKeyType.RSA, key_size=3072),
                tags=ground.tags,
                opts=ground.under(self, **kept, import_=retained("/keys/etcd")),
            )
            acting = identities.control_plane.principal_id
            self.for_the_control_plane = [
                identities.assign("etcd-key", "key_vault_crypto_user", self.vault.id, acting),
                identities.assign("etcd-way", "key_vault_contributor", self.vault.id, acting),
                self.endpoint.ready,
            ]
        self.register_outputs({})
