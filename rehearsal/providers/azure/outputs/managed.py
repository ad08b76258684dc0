"""Outputs of groups, identities, vaults, registries and monitoring."""

from __future__ import annotations

from datetime import UTC, datetime

from rehearsal.providers.azure.outputs.context import Context
from rehearsal.providers.azure.values import Properties


def group(_: Context) -> Properties:
    """A resource group's state is below `properties`."""
    return {"properties": {"provisioningState": "Succeeded"}}


def identity(context: Context) -> Properties:
    """Who the identity is."""
    return {
        "clientId": context.guid("client"),
        "principalId": context.guid("principal"),
        "tenantId": context.subscription.tenant,
    }


def vault(context: Context) -> Properties:
    """Where the vault answers, and what it takes where nothing was said."""
    asked = context.inputs.get("properties", {})
    return {
        "properties": {
            "vaultUri": f"https://{context.name.lower()}.vault.azure.net/",
            "provisioningState": "Succeeded",
            "enableSoftDelete": True,
            "softDeleteRetentionInDays": asked.get("softDeleteRetentionInDays", 90),
            "enableRbacAuthorization": asked.get("enableRbacAuthorization", False),
            "publicNetworkAccess": asked.get("publicNetworkAccess", "Enabled"),
        }
    }


def secret(context: Context) -> Properties:
    """A secret's address; its value is never answered."""
    vault_uri = f"https://{str(context.inputs['vaultName']).lower()}.vault.azure.net"
    version = context.word(str(context.inputs["properties"].get("value", "")), 32)
    uri = f"{vault_uri}/secrets/{context.name}"
    now = int(datetime.now(UTC).timestamp())
    attributes = {"enabled": True, **context.inputs["properties"].get("attributes", {}), "created": now, "updated": now}
    return {
        "properties": {
            "secretUri": uri,
            "secretUriWithVersion": f"{uri}/{version}",
            "attributes": attributes,
        },
        "location": context.location,
    }


def key(context: Context) -> Properties:
    """A key's address."""
    uri = f"https://{str(context.inputs['vaultName']).lower()}.vault.azure.net/keys/{context.name}"
    return {"keyUri": uri, "keyUriWithVersion": f"{uri}/{context.word('version', 32)}", "location": context.location}


def registry(context: Context) -> Properties:
    """Where the registry answers."""
    return {
        "loginServer": f"{context.name.lower()}.azurecr.io",
        "creationDate": datetime.now(UTC).isoformat(timespec="seconds"),
        "adminUserEnabled": context.inputs.get("adminUserEnabled", False),
        "publicNetworkAccess": context.inputs.get("publicNetworkAccess", "Enabled"),
        "zoneRedundancy": context.inputs.get("zoneRedundancy", "Disabled"),
        "sku": {"tier": context.inputs["sku"]["name"]},
    }


def workspace(context: Context) -> Properties:
    """The id under which a log workspace is asked."""
    return {"customerId": context.guid("customer"), "retentionInDays": context.inputs.get("retentionInDays", 30)}


def monitor_workspace(context: Context) -> Properties:
    """Where Prometheus metrics are asked for, and where they are sent by default."""
    group = f"MA_{context.name}_{context.location}_managed"
    made = f"/subscriptions/{context.subscription.subscription}/resourceGroups/{group}/providers/Microsoft.Insights"
    host = f"{context.name}-{context.word('query', 4)}.{context.location}.prometheus.monitor.azure.com"
    return {
        "accountId": context.guid("account"),
        "metrics": {"prometheusQueryEndpoint": f"https://{host}", "internalId": f"mac_{context.guid('internal')}"},
        "defaultIngestionSettings": {
            "dataCollectionEndpointResourceId": f"{made}/dataCollectionEndpoints/{context.name}",
            "dataCollectionRuleResourceId": f"{made}/dataCollectionRules/{context.name}",
        },
    }


def collection_endpoint(context: Context) -> Properties:
    """Where data is sent."""
    host = f"{context.name}-{context.word('host', 4)}.{context.location}-1"
    return {
        "immutableId": f"dce-{context.word('immutable', 32)}",
        "logsIngestion": {"endpoint": f"https://{host}.ingest.monitor.azure.com"},
        "metricsIngestion": {"endpoint": f"https://{host}.metrics.ingest.monitor.azure.com"},
        "configurationAccess": {"endpoint": f"https://{host}.handler.control.monitor.azure.com"},
    }


def collection_rule(context: Context) -> Properties:
    """The id that agents know a rule by."""
    return {"immutableId": f"dcr-{context.word('immutable', 32)}"}


def grafana(context: Context) -> Properties:
    """Where Grafana answers."""
    endpoint = f"https://{context.name}-{context.word('host', 8)}.weu.grafana.azure.com"
    return {"properties": {"endpoint": endpoint, "provisioningState": "Succeeded", "grafanaVersion": "11"}}
