"""From a manifest to a resource of Pulumi's Kubernetes provider."""

from __future__ import annotations

import pulumi
from pulumi import ResourceOptions

from components.targets.kubernetes.names import Manifest

_SECRET = ("v1", "Secret")
_WITH_STATUS = {("v1", "Service")}
"""Kinds of which the program reads what the cluster says of them: `status` is an output, as plain data."""


def declare(name: str, manifest: Manifest, opts: ResourceOptions) -> pulumi.CustomResource:
    """Register the object, of whatever kind.

    Without the SDK's class for it: a class says no more than its type's token and which fields are secret, and to
    import those of the dozen kinds used here takes a second of every preview.
    """
    kind = (manifest["apiVersion"], manifest["kind"])
    if kind == _SECRET:
        opts = ResourceOptions.merge(opts, ResourceOptions(additional_secret_outputs=["data", "stringData"]))
    more = {"status": None} if kind in _WITH_STATUS else {}
    return pulumi.CustomResource(token(*kind), name, {**manifest, **more}, opts)


def token(api_version: str, kind: str) -> str:
    """The type's token, `kubernetes:apps/v1:Deployment`."""
    return f"kubernetes:{api_version if '/' in api_version else f'core/{api_version}'}:{kind}"
