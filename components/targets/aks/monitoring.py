"""Azure's managed Prometheus and Grafana: where figures go, what is asked, and who is told (control 54).

Figures of the cluster's agent go by a collection rule to a workspace, where the rule groups look at them.
"""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_azure_native import alertsmanagement, dashboard, monitor
from pulumi_azure_native import containerservice as aks

from components.targets.aks.ground import Ground
from components.targets.aks.identities import Identities
from components.targets.aks.watched import NAMESPACE, RuleGroup, Watched
from components.targets.kubernetes.objects import declare

STREAM = "Microsoft-PrometheusMetrics"
ACCOUNT = "workspace"
EVERY = "PT1M"
MOST_GRAFANA_NAME = 23


def config_maps(watched: Watched) -> list[dict[str, Any]]:
    """The agent's files, at the one place it reads them from."""

    def config_map(name: str, data: dict[str, str]) -> dict[str, Any]:
        metadata = {"name": name, "namespace": NAMESPACE}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}

    return [
        config_map("ama-metrics-prometheus-config", {"prometheus-config": watched.scrape}),
        config_map(
            "ama-metrics-settings-configmap",
            {
                "schema-version": "v1",
                "config-version": "ver1",
                "default-scrape-settings-enabled": watched.settings,
            },
        ),
    ]


class AksMonitoring(pulumi.ComponentResource):
    """Workspace, the way of figures into it, rule groups, whom they tell, and Grafana for people."""

    def __init__(
        self,
        ground: Ground,
        identities: Identities,
        cluster: aks.ManagedCluster,
        provider: kubernetes.Provider,
        watched: Watched,
    ) -> None:
        name = f"{ground.name}-monitoring"
        super().__init__("slm:aks:monitoring", name, None, pulumi.ResourceOptions(parent=ground.parent))
        self._ground, self._name = ground, name
        self.workspace = monitor.AzureMonitorWorkspace(
            f"{name}-workspace",
            azure_monitor_workspace_name=ground.names.part("metrics"),
            **ground.common(),
            opts=ground.under(self),
        )
        self._collect(cluster)
        told = self._told(watched.emails)
        before: list[pulumi.Resource] = []
        for group in watched.groups:
            before.append(self._rules(group, cluster, told, before[-1:]))
        for manifest in config_maps(watched):
            options = pulumi.ResourceOptions(parent=self, provider=provider, deleted_with=cluster)
            declare(f"{name}-{manifest['metadata']['name']}", manifest, options)
        self.grafana = self._pages(identities) if watched.grafana else None
        self.register_outputs({})

    def _collect(self, cluster: aks.ManagedCluster) -> None:
        ground, name = self._ground, self._name
        # The agent leaves the network by the nodes' own way out; whoever sends needs the cluster's identity.
        endpoint = monitor.DataCollectionEndpoint(
            f"{name}-endpoint",
            data_collection_endpoint_name=ground.names.part("metrics"),
            kind=monitor.KnownDataCollectionEndpointResourceKind.LINUX,
            network_acls=monitor.DataCollectionEndpointNetworkAclsArgs(
                public_network_access=monitor.KnownPublicNetworkAccessOptions.ENABLED
            ),
            **ground.common(),
            opts=ground.under(self),
        )
        forwarder = monitor.PrometheusForwarderDataSourceArgs(name="prometheus", streams=[STREAM])
        account = monitor.MonitoringAccountDestinationArgs(name=ACCOUNT, account_resource_id=self.workspace.id)
        rule = monitor.DataCollectionRule(
            f"{name}-rule",
            data_collection_rule_name=ground.names.part("metrics"),
            kind=monitor.KnownDataCollectionRuleResourceKind.LINUX,
            data_collection_endpoint_id=endpoint.id,
            data_sources=monitor.DataCollectionRuleDataSourcesArgs(prometheus_forwarder=[forwarder]),
            destinations=monitor.DataCollectionRuleDestinationsArgs(monitoring_accounts=[account]),
            data_flows=[monitor.DataFlowArgs(streams=[STREAM], destinations=[ACCOUNT])],
            **ground.common(),
            opts=ground.under(self),
        )
        monitor.DataCollectionRuleAssociation(
            f"{name}-association",
            association_name=ground.names.part("metrics"),
            resource_uri=cluster.id,
            data_collection_rule_id=rule.id,
            opts=ground.under(self),
        )

    def _told(self, emails: tuple[str, ...]) -> monitor.ActionGroup | None:
        """Whom Azure writes to; None where nobody is named, and alerts stay where people look."""
        if not emails:
            return None
        ground = self._ground
        receivers = [
            monitor.MicrosoftCommonEmailReceiverArgs(
                name=f"mail-{number}", email_address=email, use_common_alert_schema=True
            )
            for number, email in enumerate(emails, start=1)
        ]
        return monitor.ActionGroup(
            f"{self._name}-mails",
            action_group_name=ground.names.part("alerts"),
            group_short_name="slm-alerts",
            enabled=True,
            email_receivers=receivers,
            **{**ground.common(), "location": "Global"},
            opts=ground.under(self),
        )

    def _rules(
        self,
        group: RuleGroup,
        cluster: aks.ManagedCluster,
        told: monitor.ActionGroup | None,
        before: list[pulumi.Resource],
    ) -> alertsmanagement.PrometheusRuleGroup:
        """One group; a workspace takes one change at a time."""
        ground = self._ground
        actions = [alertsmanagement.PrometheusRuleGroupActionArgs(action_group_id=told.id)] if told else None
        return alertsmanagement.PrometheusRuleGroup(
            f"{self._name}-{group.name}",
            rule_group_name=ground.names.part(group.name),
            cluster_name=ground.names.cluster,
            scopes=[self.workspace.id, cluster.id],
            interval=EVERY,
            enabled=True,
            rules=[_rule(rule, actions) for rule in group.rules],
            **ground.common(),
            opts=ground.under(self, depends_on=before),
        )

    def _pages(self, identities: Identities) -> dashboard.Grafana:
        """Grafana, whose users come from Entra, and which may read the workspace and nothing else (control 52)."""
        ground = self._ground
        workspaces = [
            dashboard.AzureMonitorWorkspaceIntegrationArgs(azure_monitor_workspace_resource_id=self.workspace.id)
        ]
        made = dashboard.Grafana(
            f"{self._name}-pages",
            workspace_name=ground.names.dns_prefix[:MOST_GRAFANA_NAME].rstrip("-"),
            sku=dashboard.ResourceSkuArgs(name="Standard"),
            identity=dashboard.ManagedServiceIdentityArgs(type=dashboard.ManagedServiceIdentityType.SYSTEM_ASSIGNED),
            properties=dashboard.ManagedGrafanaPropertiesArgs(
                api_key=dashboard.ApiKey.DISABLED,
                public_network_access=dashboard.PublicNetworkAccess.ENABLED,
                grafana_integrations=dashboard.GrafanaIntegrationsArgs(azure_monitor_workspace_integrations=workspaces),
            ),
            **ground.common(),
            opts=ground.under(self),
        )
        reader = made.identity.apply(lambda own: own.principal_id if own else "")
        identities.assign("grafana", "monitoring_data_reader", self.workspace.id, reader)
        for number, people in enumerate(ground.spec.admin_group_ids, start=1):
            identities.assign(f"grafana-admin-{number}", "grafana_admin", made.id, people, group=True)
        return made


def _rule(
    rule: dict[str, Any], actions: list[alertsmanagement.PrometheusRuleGroupActionArgs] | None
) -> alertsmanagement.PrometheusRuleArgs:
    resolve = rule.get("resolveConfiguration")
    return alertsmanagement.PrometheusRuleArgs(
        record=rule.get("record"),
        alert=rule.get("alert"),
        expression=rule["expression"],
        enabled=rule["enabled"],
        severity=rule.get("severity"),
        for_=rule.get("for"),
        labels=rule.get("labels"),
        annotations=rule.get("annotations"),
        actions=actions if "alert" in rule else None,
        resolve_configuration=alertsmanagement.PrometheusRuleResolveConfigurationArgs(
            auto_resolved=resolve["autoResolved"], time_to_resolve=resolve["timeToResolve"]
        )
        if resolve
        else None,
    )
