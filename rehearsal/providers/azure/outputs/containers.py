"""Outputs of clusters and pools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rehearsal.providers.azure.outputs.context import Context
from rehearsal.providers.azure.rules.cluster import DNS_SERVICE_IP, POD_CIDR, SERVICE_CIDR
from rehearsal.providers.azure.rules.pools import SPOT_TAINT
from rehearsal.providers.azure.values import Properties, at, merged
from rehearsal.providers.azure.vm_sizes import size_of

_ADDONS_WITH_IDENTITY = ("azurepolicy", "azureKeyvaultSecretsProvider", "omsagent")
SPOT_LABEL = "kubernetes.azure.com/scalesetpriority"


def full_version(wanted: str, versions: Sequence[str]) -> str | None:
    """The version AKS takes for `1.34` or `1.34.6`: the newest of that minor. None where it has none."""
    fitting = [v for v in versions if v == wanted or v.startswith(f"{wanted}.")]
    return fitting[-1] if fitting else None


def node_group(context: Context) -> str:
    """The name of the group that a cluster's nodes, load balancers and disks lie in."""
    own = context.inputs.get("nodeResourceGroup")
    return str(own) if own else f"MC_{context.group}_{context.name}_{context.location}"[:80]


def cluster(context: Context) -> Properties:
    """Names, addresses and identities of a cluster, and what AKS takes where nothing was said."""
    asked = context.inputs
    versions = context.subscription.kubernetes_versions
    version = full_version(str(asked.get("kubernetesVersion", versions[-1])), versions) or versions[-1]
    private = bool(at(asked, "apiServerAccessProfile.enablePrivateCluster"))
    host = f"{asked.get('dnsPrefix') or asked.get('fqdnSubdomain')}-{context.word('host')}"
    made: Properties = {
        "nodeResourceGroup": node_group(context),
        "kubernetesVersion": asked.get("kubernetesVersion", version),
        "currentKubernetesVersion": version,
        "maxAgentPools": 100,
        "enableRBAC": asked.get("enableRBAC", True),
        "powerState": {"code": "Running"},
        "supportPlan": asked.get("supportPlan", "KubernetesOfficial"),
        "sku": {"name": at(asked, "sku.name") or "Base", "tier": at(asked, "sku.tier") or "Free"},
        "fqdn": f"{host}.hcp.{context.location}.azmk8s.io",
        "azurePortalFQDN": f"{host}.portal.hcp.{context.location}.azmk8s.io",
        "resourceUID": context.word("uid", 24),
        "agentPoolProfiles": [
            inline_pool(context, pool, version)
            for pool in asked.get("agentPoolProfiles", ())
            if not context.store.get(f"{context.id}/agentPools/{pool.get('name')}")
        ],
        "identityProfile": {"kubeletidentity": _kubelet(context)},
        "networkProfile": _network(at(asked, "networkProfile") or {}),
        "oidcIssuerProfile": _issuer(context),
        "addonProfiles": _addons(context),
        "servicePrincipalProfile": {"clientId": "msi"},
    }
    if private:
        zone = f"{context.guid('zone')}.privatelink.{context.location}.azmk8s.io"
        made["privateFQDN"] = f"{host}.{zone}"
    return {name: value for name, value in made.items() if value is not None}


def agent_pool(context: Context) -> Properties:
    """A pool that is a resource of its own."""
    cluster = context.request.parent
    return pool(context, context.inputs, str(cluster.outputs.get("currentKubernetesVersion")) if cluster else "")


def inline_pool(context: Context, asked: Properties, version: str) -> Properties:
    """A pool that stands in a cluster."""
    made = pool(context, asked, version) | {"provisioningState": "Succeeded"}
    return {**asked, **made}


def pool(context: Context, asked: Properties, cluster_version: str) -> Properties:
    """What AKS takes for a pool where nothing was said."""
    versions = context.subscription.kubernetes_versions
    version = full_version(str(asked.get("orchestratorVersion", cluster_version)), versions) or cluster_version
    made: Properties = {
        "count": asked.get("count", asked.get("minCount", 1)),
        "currentOrchestratorVersion": version,
        "orchestratorVersion": asked.get("orchestratorVersion", version),
        "nodeImageVersion": f"AKS{asked.get('osSKU', 'Ubuntu')}-{version}-202611.01.0",
        "enableAutoScaling": asked.get("enableAutoScaling", False),
        "enableFIPS": asked.get("enableFIPS", False),
        "enableNodePublicIP": asked.get("enableNodePublicIP", False),
        "enableEncryptionAtHost": asked.get("enableEncryptionAtHost", False),
        "kubeletDiskType": asked.get("kubeletDiskType", "OS"),
        "maxPods": asked.get("maxPods", 250),
        "mode": asked.get("mode", "User"),
        "osDiskSizeGB": asked.get("osDiskSizeGB", 128),
        "osDiskType": asked.get("osDiskType", _disk_type(asked)),
        "osSKU": asked.get("osSKU", "Ubuntu"),
        "osType": asked.get("osType", "Linux"),
        "powerState": {"code": at(asked, "powerState.code") or "Running"},
        "scaleDownMode": asked.get("scaleDownMode", "Delete"),
        "type": asked.get("type", "VirtualMachineScaleSets"),
    }
    if asked.get("scaleSetPriority") == "Spot":
        # AKS adds both to every spot pool; a program that does not state them meets them at its next refresh.
        taints = list(asked.get("nodeTaints", ()))
        made["nodeTaints"] = taints if SPOT_TAINT in taints else [*taints, SPOT_TAINT]
        made["nodeLabels"] = {**asked.get("nodeLabels", {}), SPOT_LABEL: "spot"}
        made["spotMaxPrice"] = asked.get("spotMaxPrice", -1)
    else:
        made["upgradeSettings"] = {"maxSurge": at(asked, "upgradeSettings.maxSurge") or "10%"}
    return made


def _disk_type(asked: Properties) -> str:
    """AKS puts the system disk on the node itself where it fits."""
    size = size_of(str(asked.get("vmSize", "")))
    fits = size and (size.local_disk_gib or 0) >= asked.get("osDiskSizeGB", 128)
    return "Ephemeral" if fits else "Managed"


def _kubelet(context: Context) -> Properties:
    own = at(context.inputs, "identityProfile.kubeletidentity.resourceId")
    if isinstance(own, str):
        who = context.who(own)
        return {"resourceId": own, "clientId": who.get("clientId"), "objectId": who.get("principalId")}
    return _made_identity(context, f"{context.name}-agentpool")


def _made_identity(context: Context, name: str) -> Properties:
    group = f"/subscriptions/{context.subscription.subscription}/resourceGroups/{node_group(context)}"
    return {
        "resourceId": f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}",
        "clientId": context.guid(f"{name} client"),
        "objectId": context.guid(f"{name} principal"),
    }


def _addons(context: Context) -> Properties | None:
    asked: dict[str, Any] = context.inputs.get("addonProfiles", {})
    with_identity = {
        name: {"identity": _made_identity(context, f"{name.lower()}-{context.name}")}
        for name, addon in asked.items()
        if name in _ADDONS_WITH_IDENTITY and addon.get("enabled")
    }
    return merged(asked, with_identity) if asked else None


def _issuer(context: Context) -> Properties:
    enabled = bool(at(context.inputs, "oidcIssuerProfile.enabled"))
    if not enabled:
        return {"enabled": False}
    url = f"https://{context.location}.oic.prod-aks.azure.com/{context.subscription.tenant}/{context.guid('issuer')}/"
    return {"enabled": True, "issuerURL": url}


def _network(asked: Properties) -> Properties:
    service, pods = asked.get("serviceCidr", SERVICE_CIDR), asked.get("podCidr", POD_CIDR)
    return {
        "serviceCidr": service,
        "serviceCidrs": asked.get("serviceCidrs", [service]),
        "podCidr": pods,
        "podCidrs": asked.get("podCidrs", [pods]),
        "dnsServiceIP": asked.get("dnsServiceIP", DNS_SERVICE_IP),
        "ipFamilies": asked.get("ipFamilies", ["IPv4"]),
        "loadBalancerSku": asked.get("loadBalancerSku", "standard"),
        "networkDataplane": asked.get("networkDataplane", "azure"),
        "networkPlugin": asked.get("networkPlugin", "azure"),
        "networkPluginMode": asked.get("networkPluginMode", "overlay"),
        "outboundType": asked.get("outboundType", "loadBalancer"),
    }
