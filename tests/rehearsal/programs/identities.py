"""A group with identities, each with federated credentials that are in order or not: small, so that it is quick."""

import json
from pathlib import Path

import pulumi
from pulumi_azure_native import managedidentity, resources

knobs = json.loads(Path("knobs.json").read_text())
group = resources.ResourceGroup("group", resource_group_name="slm")
for name in knobs.get("identities", []):
    managedidentity.UserAssignedIdentity(
        name, resource_group_name=group.name, resource_name_=name, tags=knobs.get("tags")
    )
before = []
if credentials := knobs.get("credentials", []):
    owner = managedidentity.UserAssignedIdentity("owner", resource_group_name=group.name, resource_name_="owner")
    for name in credentials:
        made = managedidentity.FederatedIdentityCredential(
            name,
            resource_group_name=group.name,
            resource_name_=owner.name,
            federated_identity_credential_resource_name=name,
            issuer="https://issuer.example/1/",
            subject=f"system:serviceaccount:slm:{name}",
            audiences=["api://AzureADTokenExchange"],
            opts=pulumi.ResourceOptions(depends_on=before),
        )
        before = [made] if knobs.get("in_order") else []
