"""The provider by which a cluster's objects are made, set as this target needs it."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes


def cluster_provider(
    name: str,
    kubeconfig: pulumi.Input[str],
    identifier: pulumi.Input[str],
    *,
    context: str | None = None,
    opts: pulumi.ResourceOptions | None = None,
) -> kubernetes.Provider:
    """A provider for one cluster. `identifier` says which cluster it is: while it stays, another kubeconfig replaces
    nothing.
    """
    return kubernetes.Provider(
        name,
        kubeconfig=kubeconfig,
        context=context,
        cluster_identifier=identifier,
        # A changed secret is changed where it is, and running pods get the new files. Else the provider would delete it
        # and make it anew, and pods that start in between would have none.
        enable_secret_mutable=True,
        # What a teardown kept is taken up again by the next deployment: volumes, and the namespace around them.
        upsert_existing_objects=True,
        # What somebody has edited by hand is the stack's again after the next deployment, which would otherwise stop
        # half-way at the first field that is now somebody else's.
        enable_patch_force=True,
        opts=opts,
    )
