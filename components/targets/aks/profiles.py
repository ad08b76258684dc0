"""What a cluster is told of access, network, security and upgrades: one function for each profile (controls 55-60)."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi_azure_native import containerservice as aks

from components.targets.aks.pools import common_arguments
from components.targets.spec import Aks

CLEAN_IMAGES_HOURS = 120
SECRETS_POLL = "2m"


def api_server(
    spec: Aks, subnet: pulumi.Input[str] | None, outbound: pulumi.Input[str] | None
) -> aks.ManagedClusterAPIServerAccessProfileArgs:
    """Who may reach the API server (control 55). `outbound` is the nodes' own way to a public one."""
    integrated = spec.vnet_integration
    ranges: list[pulumi.Input[str]] = list(spec.authorized_ranges)
    if outbound is not None and not integrated:
        ranges.append(pulumi.Output.concat(outbound, "/32"))
    return aks.ManagedClusterAPIServerAccessProfileArgs(
        disable_run_command=True,
        enable_private_cluster=spec.private,
        enable_private_cluster_public_fqdn=False if spec.private else None,
        private_dns_zone="system" if spec.private else None,
        authorized_ip_ranges=None if spec.private else ranges,
        enable_vnet_integration=True if integrated else None,
        subnet_id=subnet if integrated else None,
    )


def entra(spec: Aks) -> aks.ManagedClusterAADProfileArgs:
    """People and programs come from Entra, and what they may do from Azure's roles (control 56)."""
    return aks.ManagedClusterAADProfileArgs(
        managed=True, enable_azure_rbac=True, admin_group_object_ids=list(spec.admin_group_ids)
    )


def cluster_network(spec: Aks) -> aks.ContainerServiceNetworkProfileArgs:
    """Cilium enforces network policies (control 57); the way out is the firewall's or the NAT gateway's address."""
    firewall = spec.network.route_table is not None
    return aks.ContainerServiceNetworkProfileArgs(
        network_plugin=aks.NetworkPlugin.AZURE,
        network_plugin_mode=aks.NetworkPluginMode.OVERLAY,
        network_policy=aks.NetworkPolicy.CILIUM,
        network_dataplane=aks.NetworkDataplane.CILIUM,
        pod_cidr=spec.network.pods,
        service_cidr=spec.network.services,
        dns_service_ip=spec.network.dns_service_ip,
        load_balancer_sku=aks.LoadBalancerSku.STANDARD,
        outbound_type=aks.OutboundType.USER_DEFINED_ROUTING if firewall else aks.OutboundType.USER_ASSIGNED_NAT_GATEWAY,
    )


def security(
    logs: pulumi.Input[str], key: pulumi.Input[str] | None, vault: pulumi.Input[str] | None
) -> aks.ManagedClusterSecurityProfileArgs:
    """Workload identity (control 58), Defender and the image cleaner (control 59); `key` encrypts what etcd keeps."""
    return aks.ManagedClusterSecurityProfileArgs(
        workload_identity=aks.ManagedClusterSecurityProfileWorkloadIdentityArgs(enabled=True),
        defender=aks.ManagedClusterSecurityProfileDefenderArgs(
            log_analytics_workspace_resource_id=logs,
            security_monitoring=aks.ManagedClusterSecurityProfileDefenderSecurityMonitoringArgs(enabled=True),
        ),
        image_cleaner=aks.ManagedClusterSecurityProfileImageCleanerArgs(
            enabled=True, interval_hours=CLEAN_IMAGES_HOURS
        ),
        azure_key_vault_kms=aks.AzureKeyVaultKmsArgs(
            enabled=True,
            key_id=key,
            key_vault_network_access=aks.KeyVaultNetworkAccessTypes.PRIVATE,
            key_vault_resource_id=vault,
        )
        if key is not None
        else None,
    )


def addons(logs: pulumi.Input[str]) -> dict[str, aks.ManagedClusterAddonProfileArgs]:
    """Policy and logs (control 59), and secrets from the vault with rotation (control 58); all values are texts."""
    return {
        "azurepolicy": aks.ManagedClusterAddonProfileArgs(enabled=True),
        "azureKeyvaultSecretsProvider": aks.ManagedClusterAddonProfileArgs(
            enabled=True, config={"enableSecretRotation": "true", "rotationPollInterval": SECRETS_POLL}
        ),
        "omsagent": aks.ManagedClusterAddonProfileArgs(enabled=True, config={"logAnalyticsWorkspaceResourceID": logs}),
    }


def metrics() -> aks.ManagedClusterAzureMonitorProfileArgs:
    """The agent of Azure's managed Prometheus, and what counts the cluster's own objects."""
    states = aks.ManagedClusterAzureMonitorProfileKubeStateMetricsArgs(
        metric_labels_allowlist="", metric_annotations_allow_list=""
    )
    return aks.ManagedClusterAzureMonitorProfileArgs(
        metrics=aks.ManagedClusterAzureMonitorProfileMetricsArgs(enabled=True, kube_state_metrics=states)
    )


def autoscaler() -> aks.ManagedClusterPropertiesAutoScalerProfileArgs:
    """Nodes come where the least is wasted and go when nobody needed them for ten minutes. GPU nodes take long to come:
    driver, images and weights.
    """
    return aks.ManagedClusterPropertiesAutoScalerProfileArgs(
        expander=aks.Expander.LEAST_WASTE,
        max_node_provision_time="20m",
        scale_down_unneeded_time="10m",
        scale_down_delay_after_add="15m",
        skip_nodes_with_local_storage="false",
    )


def system_pool(spec: Aks, subnet: pulumi.Input[str]) -> aks.ManagedClusterAgentPoolProfileArgs:
    """The one pool that is part of the cluster itself."""
    name, _ = spec.system
    return aks.ManagedClusterAgentPoolProfileArgs(name=name, vnet_subnet_id=subnet, **common_arguments(spec, name))


def plain_arguments(spec: Aks) -> dict[str, Any]:
    """Arguments that need nothing but the settings."""
    on = {"enabled": True}
    return {
        "kubernetes_version": spec.kubernetes_version,
        "sku": aks.ManagedClusterSKUArgs(
            name=aks.ManagedClusterSKUName.BASE, tier=aks.ManagedClusterSKUTier(spec.tier)
        ),
        "support_plan": aks.KubernetesSupportPlan.KUBERNETES_OFFICIAL,
        "disable_local_accounts": True,
        "enable_rbac": True,
        "aad_profile": entra(spec),
        "network_profile": cluster_network(spec),
        "public_network_access": aks.PublicNetworkAccess.DISABLED if spec.private else aks.PublicNetworkAccess.ENABLED,
        "oidc_issuer_profile": aks.ManagedClusterOIDCIssuerProfileArgs(**on),
        "auto_upgrade_profile": aks.ManagedClusterAutoUpgradeProfileArgs(
            upgrade_channel=aks.UpgradeChannel(spec.upgrade_channel),
            node_os_upgrade_channel=aks.NodeOSUpgradeChannel(spec.node_upgrade_channel),
        ),
        "workload_auto_scaler_profile": aks.ManagedClusterWorkloadAutoScalerProfileArgs(
            keda=aks.ManagedClusterWorkloadAutoScalerProfileKedaArgs(**on),
            vertical_pod_autoscaler=aks.ManagedClusterWorkloadAutoScalerProfileVerticalPodAutoscalerArgs(**on),
        ),
        "storage_profile": aks.ManagedClusterStorageProfileArgs(
            disk_csi_driver=aks.ManagedClusterStorageProfileDiskCSIDriverArgs(**on),
            file_csi_driver=aks.ManagedClusterStorageProfileFileCSIDriverArgs(enabled=spec.storage == "files"),
            snapshot_controller=aks.ManagedClusterStorageProfileSnapshotControllerArgs(**on),
        ),
        "auto_scaler_profile": autoscaler(),
    }
