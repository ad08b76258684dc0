"""Node pools: what Azure is told of them (control 61)."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi_azure_native import containerservice as aks

from components.targets.aks.ground import Ground
from components.targets.aks.nodes import MAX_PIDS, labels_of, taints_of
from components.targets.spec import Aks, Pool

MAX_PODS = 110
"""Pods of one node (CKV_AZURE_168 wants at least 50)."""

DRAIN_MINUTES = 70
"""How long an upgrade waits for a node's pods: longer than the longest drain that a stack file can ask for, an hour."""

FIXED = (
    "osDiskType", "osDiskSizeGB", "maxPods", "availabilityZones", "vnetSubnetID", "enableEncryptionAtHost",
    "gpuProfile", "scaleSetPriority", "scaleSetEvictionPolicy", "spotMaxPrice", "kubeletConfig",
)  # fmt: skip
"""What Azure refuses to change in a pool that is there (PropertyChangeNotAllowed), while azure-native would try."""


def ephemeral(pool: Pool) -> bool:
    """Whether the system disk fits on the disk that comes with the VM size: it is faster, and nothing is left of it."""
    return pool.size is not None and (pool.size.temporary_gib or 0) >= pool.os_disk_gib


def common_arguments(spec: Aks, name: str) -> dict[str, Any]:
    """What the inline system pool and a pool of its own resource are both told."""
    pool = spec.pools[name]
    return {
        "vm_size": pool.vm_size,
        "type": aks.AgentPoolType.VIRTUAL_MACHINE_SCALE_SETS,
        "mode": aks.AgentPoolMode.SYSTEM if pool.mode == "system" else aks.AgentPoolMode.USER,
        "os_type": aks.OSType.LINUX,
        "os_sku": aks.OSSKU(pool.os_sku),
        "os_disk_type": aks.OSDiskType.EPHEMERAL if ephemeral(pool) else aks.OSDiskType.MANAGED,
        "os_disk_size_gb": pool.os_disk_gib,
        "count": pool.min_nodes,
        "min_count": pool.min_nodes,
        "max_count": pool.max_nodes,
        "enable_auto_scaling": True,
        "max_pods": MAX_PODS,
        "enable_encryption_at_host": True,
        "enable_node_public_ip": False,
        "node_labels": labels_of(name, pool),
        "node_taints": [f"{taint.key}={taint.value}:{taint.effect}" for taint in taints_of(pool)],
        "kubelet_config": aks.KubeletConfigArgs(pod_max_pids=MAX_PIDS),
        "security_profile": aks.AgentPoolSecurityProfileArgs(ssh_access=aks.AgentPoolSSHAccess.DISABLED),
        "upgrade_settings": upgrade_settings(pool),
        "orchestrator_version": spec.kubernetes_version,
        "availability_zones": list(spec.zones_of(name)) or None,
    }


def upgrade_settings(pool: Pool) -> aks.AgentPoolUpgradeSettingsArgs:
    """How nodes are replaced. GPU quota is seldom larger than the pool, so a GPU node is drained before its successor
    exists; others get their successor first.
    """
    drained_first = pool.gpus > 0
    surge, unavailable = ("0", "1") if drained_first else ("33%", None)
    return aks.AgentPoolUpgradeSettingsArgs(
        # Azure decides itself how spot nodes are replaced, and refuses to be told.
        max_surge=None if pool.spot else surge,
        max_unavailable=None if pool.spot else unavailable,
        drain_timeout_in_minutes=DRAIN_MINUTES,
        undrainable_node_behavior=aks.UndrainableNodeBehavior.CORDON,
    )


def pool_arguments(spec: Aks, name: str) -> dict[str, Any]:
    """Arguments of a user pool, without cluster and subnet."""
    pool, arguments = spec.pools[name], common_arguments(spec, name)
    if pool.spot:
        arguments |= {
            "scale_set_priority": aks.ScaleSetPriority.SPOT,
            "scale_set_eviction_policy": aks.ScaleSetEvictionPolicy.DELETE,
            "spot_max_price": -1.0,
        }
    if pool.gpus:
        # Azure installs the driver; that Kubernetes counts the GPUs is the device plugin's work.
        arguments["gpu_profile"] = aks.GPUProfileArgs(driver=aks.GPUDriver.INSTALL)
    if pool.mig_profile:
        arguments["gpu_instance_profile"] = aks.GPUInstanceProfile(pool.mig_profile)
    return arguments


def ignored(spec: Aks) -> list[str]:
    """Properties that Azure changes by itself, so that they are no difference to mend: the autoscaler counts nodes, and
    some upgrade channels choose another minor version. The others stay within the one that the stack file says.
    """
    return ["count"] + (["orchestratorVersion"] if spec.upgrades_minor_versions else [])


class AksPool(pulumi.ComponentResource):
    """One user pool."""

    def __init__(
        self, ground: Ground, name: str, cluster: aks.ManagedCluster, subnet: pulumi.Input[str], **options: Any
    ) -> None:
        whole = f"{ground.name}-pool-{name}"
        super().__init__("slm:aks:pool", whole, None, pulumi.ResourceOptions(parent=ground.parent))
        self.pool = aks.AgentPool(
            f"{whole}-nodes",
            agent_pool_name=name,
            resource_name_=cluster.name,
            resource_group_name=ground.group.name,
            vnet_subnet_id=subnet,
            tags=ground.tags,
            **pool_arguments(ground.spec, name),
            # Its name is taken until the old pool is gone.
            opts=ground.under(
                self,
                ignore_changes=ignored(ground.spec),
                replace_on_changes=list(FIXED),
                delete_before_replace=True,
                **options,
            ),
        )
        self.register_outputs({})
