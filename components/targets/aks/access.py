"""How the program reaches the cluster: the kubeconfig of whoever runs it, as a secret, and the provider made of it."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_azure_native import containerservice as aks

from components.targets.aks.ground import Ground
from components.targets.aks.login import decoded, rewrite
from components.targets.kubernetes.provider import cluster_provider


def kubeconfig_of(ground: Ground, cluster: aks.ManagedCluster) -> pulumi.Output[str]:
    """A kubeconfig that holds no credential: it names the program that gets one. Secret all the same."""
    # Asked of the id, which is known only once there is a cluster: a preview from zero asks nobody.
    parts = cluster.id.apply(lambda id_: id_.split("/"))
    given = aks.list_managed_cluster_user_credentials_output(
        resource_group_name=parts.apply(lambda p: p[4]),
        resource_name=parts.apply(lambda p: p[-1]),
        format="exec",
        opts=pulumi.InvokeOutputOptions(provider=ground.provider, parent=ground.parent),
    )
    login = ground.spec.login
    return pulumi.Output.secret(given.kubeconfigs.apply(lambda found: rewrite(decoded(found[0].value), login)))


def provider_of(ground: Ground, cluster: aks.ManagedCluster, after: list[pulumi.Resource]) -> kubernetes.Provider:
    """The provider of everything in the cluster; used once `after` are there."""
    return cluster_provider(
        f"{ground.name}-kubernetes",
        kubeconfig_of(ground, cluster),
        cluster.id,
        opts=pulumi.ResourceOptions(parent=ground.parent, depends_on=after),
    )
