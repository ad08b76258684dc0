"""`pools.json` in the state directory: the node pools there are, for whoever simulates their nodes.

    {
      "version": 1,
      "clusters": [
        {
          "id": "/subscriptions/…/managedClusters/slm", "name": "slm", "kubernetes_version": "1.34.6",
          "pools": [
            {
              "id": "/subscriptions/…/agentPools/gpu", "state": "Succeeded", "autoscaling": true, "count": 0,
              "pool": { … the fields of rehearsal.control_plane.pools.SimulatedPool … }
            }
          ]
        }
      ]
    }

It is written anew, whole, whenever a cluster or pool changes. A pool whose `state` is Failed has no nodes. Without the
autoscaler, or while the pool is stopped, `min_nodes` and `max_nodes` are the number of nodes it has.
"""

from __future__ import annotations

from typing import Any

from rehearsal.providers.azure import arm_ids
from rehearsal.providers.azure.rules.pools import SPOT_TAINT
from rehearsal.providers.azure.store import Record, Store, write_json
from rehearsal.providers.azure.values import Properties, at
from rehearsal.providers.azure.vm_sizes import size_of

FILE = "pools.json"

# Parts of one GPU by profile, as AKS makes them: docs "Multi-instance GPU". Each shows as one nvidia.com/gpu with the
# device plugin's strategy `single`.
_PARTS = {"MIG1g": 7, "MIG2g": 3, "MIG3g": 2, "MIG4g": 1, "MIG7g": 1}


def write(store: Store) -> None:
    """Write the file; the caller holds the store's lock."""
    clusters = [_cluster(store, record) for record in store.all("containerservice:ManagedCluster")]
    write_json(store.directory / FILE, {"version": 1, "clusters": clusters})


def _cluster(store: Store, cluster: Record) -> dict[str, Any]:
    inline = [(f"{cluster.id}/agentPools/{p['name']}", p) for p in cluster.outputs.get("agentPoolProfiles", ())]
    beside = [(r.id, r.outputs) for r in store.all("containerservice:AgentPool") if arm_ids.below(r.id, cluster.id)]
    return {
        "id": cluster.id,
        "name": cluster.name,
        "kubernetes_version": cluster.outputs.get("currentKubernetesVersion"),
        "pools": [_entry(cluster, arm_id, pool) for arm_id, pool in (*inline, *beside)],
    }


def _entry(cluster: Record, arm_id: str, pool: Properties) -> dict[str, Any]:
    failed = "Failed" in (cluster.state, pool.get("provisioningState"))
    return {
        "id": arm_id,
        "state": "Failed" if failed else pool.get("provisioningState", "Succeeded"),
        "autoscaling": bool(pool.get("enableAutoScaling")),
        "count": pool.get("count", 0),
        "pool": simulated(str(cluster.outputs["location"]), arm_ids.name_of(arm_id), pool, failed),
    }


def simulated(region: str, name: str, pool: Properties, failed: bool = False) -> dict[str, Any]:
    """The pool as the simulated nodes are made from: fields of SimulatedPool, whose module is slow to import."""
    size = size_of(str(pool["vmSize"]))
    if size is None:
        raise ValueError(f"pool {name}: no table has the VM size {pool['vmSize']}")
    stopped = failed or at(pool, "powerState.code") == "Stopped"
    count = 0 if stopped else pool.get("count", 1)
    automatic = pool.get("enableAutoScaling") and not stopped
    return {
        "name": name,
        "vm_size": size.name,
        "cpus": size.vcpus,
        "memory_mib": int(size.memory_gib * 1024),
        "ephemeral_gib": pool.get("osDiskSizeGB") or 128,
        "gpus": size.gpus * _PARTS.get(str(pool.get("gpuInstanceProfile")), 1),
        "max_pods": pool.get("maxPods", 110),
        "region": region,
        "zones": [str(zone) for zone in pool.get("availabilityZones", ())],
        "system": pool.get("mode") == "System",
        "spot": pool.get("scaleSetPriority") == "Spot",
        "labels": pool.get("nodeLabels", {}),
        "taints": [_taint(text) for text in pool.get("nodeTaints", ()) if text != SPOT_TAINT],
        "min_nodes": pool["minCount"] if automatic else count,
        "max_nodes": pool["maxCount"] if automatic else count,
    }


def _taint(text: str) -> dict[str, str]:
    key, _, effect = text.rpartition(":")
    name, _, value = key.partition("=")
    return {"key": name, "value": value, "effect": effect}
