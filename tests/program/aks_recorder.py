"""Azure's and Kubernetes' side of the mocks: ids and outputs that the program reads of what it declared."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

import yaml
from pulumi.runtime import MockCallArgs, MockResourceArgs

from rehearsal.providers.azure.provider import Provider
from tests.program.recorder import Recorder

SUBSCRIPTION = "aaaaaaaa-0000-0000-0000-000000000001"
TENANT = "aaaaaaaa-0000-0000-0000-000000000002"
ISSUER = "https://oidc.example.org/cluster/"
SERVER_ID = "6dae42f8-4368-4678-94ff-3960e28e3630"
CREDENTIALS = "azure-native:containerservice:listManagedClusterUserCredentials"

KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "slm",
    "clusters": [{"name": "slm", "cluster": {"server": "https://slm.example.org:443"}}],
    "contexts": [{"name": "slm", "context": {"cluster": "slm", "user": "clusterUser_slm"}}],
    "users": [
        {
            "name": "clusterUser_slm",
            "user": {
                "exec": {
                    "apiVersion": "client.authentication.k8s.io/v1beta1",
                    "command": "kubelogin",
                    "args": [
                        *("get-token", "--environment", "AzurePublicCloud", "--server-id", SERVER_ID),
                        *("--client-id", "80faf920-1908-4b52-b5ef-a8e7bedfc67a", "--tenant-id", TENANT),
                        *("--login", "devicecode"),
                    ],
                    "env": None,
                    "provideClusterInfo": False,
                }
            },
        }
    ],
}
"""As Azure gives it: `az aks get-credentials --format exec`."""


@dataclass
class AksRecorder(Recorder):
    """A recorder that answers as Azure would where the program reads an output; `calls` are the look-ups."""

    calls: list[tuple[str, dict[Any, Any]]] = field(default_factory=list)

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        id_, outputs = super().new_resource(args)
        if args.typ.startswith("azure-native:"):
            id_ = (
                f"/subscriptions/{SUBSCRIPTION}/resourceGroups/group/providers/x/{args.typ.split(':')[-1]}/{args.name}"
            )
        if args.typ == "azure-native:containerservice:ManagedCluster":
            # Azure is given a list and answers with a mapping, which the SDK's types insist on.
            outputs["identity"] = {"type": "UserAssigned", "userAssignedIdentities": {}}
            outputs["oidcIssuerProfile"] = {"enabled": True, "issuerURL": ISSUER}
        if args.typ == "azure-native:managedidentity:UserAssignedIdentity":
            outputs |= {"principalId": f"{args.name}-principal", "clientId": f"{args.name}-client", "tenantId": TENANT}
        if args.typ == "azure-native:network:PublicIPAddress":
            outputs["ipAddress"] = "203.0.113.10"
        if args.typ == "azure-native:keyvault:Key":
            outputs["keyUriWithVersion"] = f"https://vault.example.org/keys/{args.name}/1"
        if args.typ.startswith("azure-native:"):
            outputs.setdefault("name", next((v for k, v in args.inputs.items() if k.endswith("Name")), args.name))
        if args.typ.startswith("kubernetes:"):
            outputs.setdefault("metadata", {}).setdefault("uid", f"{args.name}-uid")
        return id_, outputs

    def call(self, args: MockCallArgs) -> dict[Any, Any]:
        if args.token != CREDENTIALS:
            return super().call(args)
        self.calls.append((args.token, dict(args.args)))
        content = base64.b64encode(yaml.safe_dump(KUBECONFIG).encode()).decode()
        return {"kubeconfigs": [{"name": "clusterUser", "value": content}]}

    def of_type(self, token: str) -> dict[str, dict[str, Any]]:
        """Inputs of every resource whose type ends so, by name."""
        return {name: inputs for name, inputs in self.inputs.items() if self.types[name].endswith(token)}

    def only(self, token: str) -> dict[str, Any]:
        """Inputs of the one resource of a type."""
        (inputs,) = self.of_type(token).values()
        return inputs


@dataclass
class OnStandIn(AksRecorder):
    """A recorder whose Azure is the rehearsal's: it knows Azure's types and rules, and answers with its outputs."""

    azure: Provider | None = None
    refused: list[str] = field(default_factory=list)

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        id_, outputs = super().new_resource(args)
        if not args.typ.startswith("azure-native:") or self.azure is None:
            return id_, outputs
        urn = f"urn:pulumi:prod::slm::{args.typ}::{args.name}"
        inputs, failures = self.azure.check(args.typ, urn, args.name.encode(), None, {}, _whole(args.inputs))
        self.refused += [f"{args.name} {failure.path}: {failure.reason}" for failure in failures]
        return self.azure.create(args.typ, inputs)


def _whole(value: Any) -> Any:
    """Numbers as they go over the wire: the mocks make a fraction of each."""
    if isinstance(value, dict):
        return {key: _whole(below) for key, below in value.items()}
    if isinstance(value, list):
        return [_whole(below) for below in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
