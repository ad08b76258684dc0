"""The cluster with its system pool, and the weekly hours in which Azure may upgrade it (controls 55-60)."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import containerservice as aks

from components.targets.aks import profiles
from components.targets.aks.ground import Ground
from components.targets.aks.identities import Identities
from components.targets.aks.logs import LogWorkspace
from components.targets.aks.network import AksNetwork
from components.targets.aks.vault import AksVault
from components.targets.spec import Aks
from components.targets.spec.aks import Maintenance

WINDOWS = {"cluster": "aksManagedAutoUpgradeSchedule", "nodes": "aksManagedNodeOSUpgradeSchedule"}
"""Names by which AKS knows what a maintenance window is for."""


class AksCluster(pulumi.ComponentResource):
    """Control plane and system pool; `ready` is what has to be there before anything is asked of the API server."""

    def __init__(
        self,
        ground: Ground,
        inside: AksNetwork,
        identities: Identities,
        logs: LogWorkspace,
        vault: AksVault | None,
        *,
        watched: bool = False,
    ) -> None:
        """`watched`: Azure's managed Prometheus asks what runs there."""
        super().__init__(
            "slm:aks:cluster", f"{ground.name}-cluster", None, pulumi.ResourceOptions(parent=ground.parent)
        )
        spec, subnets = ground.spec, inside.subnets
        acting = identities.control_plane.principal_id
        allowed: list[pulumi.Resource] = [
            identities.assign(f"join-{what.replace('_', '-')}", "network_contributor", subnets[what].id, acting)
            for what in ("nodes", "api_server")
            if what in subnets
        ]
        # The load balancer of the gateway is put into the nodes' subnet, and the kubelet's identity onto the nodes.
        allowed.append(identities.assign("kubelet", "managed_identity_operator", identities.kubelet.id, acting))
        self.disks = identities.assign("disks", "virtual_machine_contributor", ground.data_group.id, acting)
        api_subnet = subnets["api_server"].id if "api_server" in subnets else None
        outbound = inside.outbound_ip.ip_address.apply(str) if inside.outbound_ip else None
        key = vault.key if vault else None
        workspace = logs.workspace.id
        self.cluster = aks.ManagedCluster(
            f"{ground.name}-aks",
            resource_name_=ground.names.cluster,
            dns_prefix=ground.names.dns_prefix,
            node_resource_group=ground.names.node_group,
            identity=aks.ManagedClusterIdentityArgs(
                type=aks.ResourceIdentityType.USER_ASSIGNED, user_assigned_identities=[identities.control_plane.id]
            ),
            identity_profile={
                "kubeletidentity": aks.UserAssignedIdentityArgs(
                    resource_id=identities.kubelet.id,
                    client_id=identities.kubelet.client_id,
                    object_id=identities.kubelet.principal_id,
                )
            },
            api_server_access_profile=profiles.api_server(spec, api_subnet, outbound),
            security_profile=profiles.security(
                workspace, key.key_uri_with_version if key else None, vault.vault.id if key and vault else None
            ),
            addon_profiles=profiles.addons(workspace),
            azure_monitor_profile=profiles.metrics() if watched else None,
            agent_pool_profiles=[profiles.system_pool(spec, subnets["nodes"].id)],
            **profiles.plain_arguments(spec),
            **ground.common(),
            opts=ground.under(
                self,
                protect=spec.protect.cluster,
                depends_on=[*allowed, *(vault.for_the_control_plane if vault else [])],
                ignore_changes=ignored(spec),
                # Azure takes up to half an hour for a private cluster, and the default is as long.
                custom_timeouts=pulumi.CustomTimeouts(create="60m", update="60m", delete="60m"),
            ),
        )
        self.windows = self._windows(ground, spec.maintenance)
        self.register_outputs({})

    def _windows(self, ground: Ground, maintenance: Maintenance) -> list[aks.MaintenanceConfiguration]:
        made: list[aks.MaintenanceConfiguration] = []
        for what, name in WINDOWS.items():
            made.append(
                aks.MaintenanceConfiguration(
                    f"{ground.name}-upgrades-{what}",
                    config_name=name,
                    resource_name_=self.cluster.name,
                    resource_group_name=ground.group.name,
                    maintenance_window=window(maintenance),
                    # A cluster takes one change at a time.
                    opts=ground.under(self, depends_on=made[-1:]),
                )
            )
        return made


def ignored(spec: Aks) -> list[str]:
    """What Azure changes by itself.

    Its list of pools is one of them: after a refresh it holds the pools as well that are resources of their own, and a
    deployment would take them away. So the system pool is what it was when the cluster was made, until somebody
    changes it with `az aks nodepool update`.
    """
    return [*(["kubernetesVersion"] if spec.upgrades_minor_versions else []), "agentPoolProfiles"]


def window(maintenance: Maintenance) -> aks.MaintenanceWindowArgs:
    """The weekly hours."""
    weekly = aks.WeeklyScheduleArgs(day_of_week=aks.WeekDay(maintenance.day), interval_weeks=1)
    return aks.MaintenanceWindowArgs(
        duration_hours=maintenance.hours,
        start_time=maintenance.start,
        utc_offset=maintenance.utc_offset,
        schedule=aks.ScheduleArgs(weekly=weekly),
    )
