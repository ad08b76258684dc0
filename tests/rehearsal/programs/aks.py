"""A small AKS stack: group, network, identity, vault with a secret, cluster, GPU pool."""

import json
from pathlib import Path

import pulumi
from pulumi_azure_native import authorization, keyvault, managedidentity, network, resources
from pulumi_azure_native import containerservice as aks

knobs = json.loads(Path("knobs.json").read_text())
me = authorization.get_client_config_output()
group = resources.ResourceGroup("group", resource_group_name="slm")
net = network.VirtualNetwork(
    "net",
    resource_group_name=group.name,
    virtual_network_name="net",
    address_space=network.AddressSpaceArgs(address_prefixes=["10.1.0.0/16"]),
)
nodes = network.Subnet(
    "nodes",
    resource_group_name=group.name,
    virtual_network_name=net.name,
    subnet_name="nodes",
    address_prefix="10.1.0.0/20",
)
identity = managedidentity.UserAssignedIdentity("identity", resource_group_name=group.name, resource_name_="slm")
vault = keyvault.Vault(
    "vault",
    resource_group_name=group.name,
    vault_name="slm-vault",
    properties=keyvault.VaultPropertiesArgs(
        tenant_id=me.tenant_id,
        sku=keyvault.SkuArgs(family="A", name="standard"),
        enable_rbac_authorization=True,
    ),
)
keyvault.Secret(
    "secret",
    resource_group_name=group.name,
    vault_name=vault.name,
    secret_name="key",
    properties=keyvault.SecretPropertiesArgs(value=pulumi.Output.secret("correct-horse-battery")),
)
cluster = aks.ManagedCluster(
    "cluster",
    resource_group_name=group.name,
    resource_name_="slm",
    dns_prefix="slm",
    kubernetes_version="1.34",
    identity=aks.ManagedClusterIdentityArgs(type="UserAssigned", user_assigned_identities=[identity.id]),
    aad_profile=aks.ManagedClusterAADProfileArgs(managed=True, enable_azure_rbac=True),
    disable_local_accounts=True,
    oidc_issuer_profile=aks.ManagedClusterOIDCIssuerProfileArgs(enabled=True),
    agent_pool_profiles=[
        aks.ManagedClusterAgentPoolProfileArgs(
            name="system",
            mode="System",
            vm_size="Standard_D4as_v5",
            enable_auto_scaling=True,
            count=3,
            min_count=3,
            max_count=5,
            vnet_subnet_id=nodes.id,
        )
    ],
    opts=pulumi.ResourceOptions(ignore_changes=["agentPoolProfiles[0].count"]),
)
pool = aks.AgentPool(
    "gpu",
    resource_group_name=group.name,
    resource_name_=cluster.name,
    agent_pool_name="gpu",
    mode="User",
    vm_size=knobs.get("size", "Standard_NC4as_T4_v3"),
    os_disk_type=knobs.get("disk", "Managed"),
    enable_auto_scaling=True,
    count=0,
    min_count=0,
    max_count=2,
    vnet_subnet_id=nodes.id,
    node_taints=["sku=gpu:NoSchedule"],
    opts=pulumi.ResourceOptions(ignore_changes=["count"], replace_on_changes=knobs.get("replace", [])),
)
federated = managedidentity.FederatedIdentityCredential(
    "federated",
    resource_group_name=group.name,
    resource_name_=identity.name,
    federated_identity_credential_resource_name="chat",
    issuer=cluster.oidc_issuer_profile.issuer_url,
    subject="system:serviceaccount:slm:chat",
    audiences=["api://AzureADTokenExchange"],
)
authorization.RoleAssignment(
    "role",
    scope=vault.id,
    principal_id=identity.principal_id,
    principal_type="ServicePrincipal",
    role_definition_id="/providers/Microsoft.Authorization/roleDefinitions/4633458b-17de-408a-b874-0445c86b69e6",
)
credentials = aks.list_managed_cluster_user_credentials_output(
    resource_group_name=group.name, resource_name=cluster.name, format="exec"
)
pulumi.export("vault", vault.properties.vault_uri)
pulumi.export("issuer", cluster.oidc_issuer_profile.issuer_url)
pulumi.export("kubelet", cluster.identity_profile["kubeletidentity"].object_id)
pulumi.export("kubeconfig", pulumi.Output.secret(credentials.kubeconfigs[0].value))
