"""A hardened AKS cluster as a target: from the network to the workloads, as the diagram in docs shows it."""

from __future__ import annotations

import pulumi

from components.targets.aks.access import provider_of
from components.targets.aks.agents import Agents
from components.targets.aks.aliases import without_versions
from components.targets.aks.cluster import AksCluster
from components.targets.aks.federation import Federation
from components.targets.aks.ground import lay
from components.targets.aks.identities import Identities
from components.targets.aks.logs import LogWorkspace
from components.targets.aks.monitoring import AksMonitoring
from components.targets.aks.network import AksNetwork
from components.targets.aks.pools import AksPool
from components.targets.aks.registry import AksRegistry
from components.targets.aks.site import site_of
from components.targets.aks.vault import AksVault
from components.targets.aks.watched import Watched
from components.targets.kubernetes.cluster import KubernetesCluster
from components.targets.kubernetes.identity import VaultIdentity
from components.targets.spec import Aks


class AksTarget(pulumi.ComponentResource):
    """Everything in Azure that a stack needs; `kubernetes` is the target that workloads are placed on.

    Nothing here needs the cluster to exist: a preview from zero shows all of it.
    """

    def __init__(self, name: str, spec: Aks, stack: str, watched: Watched | None = None) -> None:
        """`spec` has a VM size for every pool (see sizing.auto.resolved); `watched` is what Azure's monitoring is told,
        if it watches the stack.
        """
        super().__init__("slm:target:aks", name, None, pulumi.ResourceOptions(transformations=[without_versions]))
        ground = lay(self, name, spec, stack)
        network = AksNetwork(ground)
        identities = Identities(ground)
        vault = AksVault(ground, spec.vault, identities, network) if spec.vault else None
        zones = bool(spec.zones_of(spec.general_name))
        registry = AksRegistry(ground, spec.registry, identities, network, zones=zones) if spec.registry else None
        logs = LogWorkspace(ground)
        cluster = AksCluster(ground, network, identities, logs, vault, watched=watched is not None)
        pools: list[pulumi.Resource] = []
        for pool in (name for name in spec.pools if name != spec.system[0]):
            # A cluster takes one change at a time: windows, then one pool after the other.
            before = pools[-1:] or cluster.windows[-1:]
            pools.append(AksPool(ground, pool, cluster.cluster, network.subnets["nodes"].id, depends_on=before).pool)
        federation = Federation(ground, identities, cluster.cluster)
        after: list[pulumi.Resource] = [*pools, cluster.disks]
        after += [vault.readers, vault.endpoint.ready] if vault else []
        after += [registry.pullers, registry.endpoint.ready] if registry else []
        provider = provider_of(ground, cluster.cluster, after)
        Agents(ground, provider, cluster.cluster)
        if watched:
            AksMonitoring(ground, identities, cluster.cluster, provider, watched)
        identity = VaultIdentity(identities.workload.client_id, identities.tenant_id, federation.federate)
        self.kubernetes = KubernetesCluster(
            f"{name}-workloads",
            site_of(spec, managed=watched is not None),
            stack,
            provider,
            vault_identity=identity if vault else None,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"cluster": cluster.cluster.id})
