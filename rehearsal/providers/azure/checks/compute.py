"""Clusters and pools: versions, sizes that a region has, quota, and pools that come and go."""

from __future__ import annotations

from rehearsal.providers.azure import arm_ids
from rehearsal.providers.azure.catalogue import catalogue
from rehearsal.providers.azure.checks.permissions import may_assign
from rehearsal.providers.azure.checks.quota import has_room, offered
from rehearsal.providers.azure.difference import path_changed
from rehearsal.providers.azure.errors import ArmError, bad_request, property_change
from rehearsal.providers.azure.outputs.containers import full_version
from rehearsal.providers.azure.request import Request
from rehearsal.providers.azure.rules.pools import SPOT_TAINT
from rehearsal.providers.azure.values import Properties, at

_POOL = "containerservice:AgentPool"


def cluster_version(request: Request) -> None:
    """A version that AKS has; upgrades go up, one minor version at a time."""
    wanted = request.inputs.get("kubernetesVersion")
    if isinstance(wanted, str):
        _upgrade(request, wanted, at(request.old.outputs, "currentKubernetesVersion") if request.old else None)


def pools_of_cluster(request: Request) -> None:
    """The pools that stand in the cluster."""
    inline = [pool for pool in request.inputs.get("agentPoolProfiles", ()) if isinstance(pool, dict)]
    if request.old:
        present = {str(pool["name"]): pool for pool in at(request.old.outputs, "agentPoolProfiles") or ()}
        present |= {
            pool.name: pool.outputs for pool in request.store.all(_POOL) if arm_ids.below(pool.id, request.arm_id)
        }
        for pool in inline:
            if pool.get("name") not in present:
                raise bad_request(
                    "A new agent pool was introduced. Adding agent pools to an existing cluster is not allowed through "
                    "managed cluster operations. For agent pool specific change, please use per agent pool "
                    "operations: https://aka.ms/agent-pool-rest-api"
                )
            _fixed(present[str(pool["name"])], pool)
    for pool in inline:
        offered(request, pool)
    has_room(request, inline)


def pool_of_cluster(request: Request) -> None:
    """A pool of its own beside those of its cluster."""
    cluster = request.parent
    if (
        not request.old
        and cluster
        and any(pool.get("name") == request.name for pool in cluster.inputs.get("agentPoolProfiles", ()))
    ):
        raise bad_request(f"Agent pool '{request.name}' is in the cluster already.", "AgentPoolAlreadyExists")
    wanted = request.inputs.get("orchestratorVersion")
    if isinstance(wanted, str) and cluster:
        full = _upgrade(request, wanted, at(request.old.outputs, "currentOrchestratorVersion") if request.old else None)
        control_plane = str(cluster.outputs.get("currentKubernetesVersion"))
        if _order(full) > _order(control_plane):
            raise bad_request(
                f"Node pool version {full} and control plane version {control_plane} are incompatible. Minor version "
                "of node pool version must not be bigger than that of the control plane.",
                "NodePoolMcVersionIncompatible",
            )
    if request.old:
        _fixed(request.old.outputs, request.inputs)
    offered(request, request.inputs)
    has_room(request, [request.inputs])


def identities_of_cluster(request: Request) -> None:
    """A kubelet identity of one's own may be assigned by the cluster's identity."""
    own = at(request.inputs, "identity.userAssignedIdentities") or []
    kubelet = at(request.inputs, "identityProfile.kubeletidentity.resourceId")
    if isinstance(kubelet, str) and own and not may_assign(request.store, own[0], kubelet):
        raise bad_request(
            f"The cluster user assigned identity must be given permission to assign kubelet identity {kubelet}. Check "
            "access result not allowed for action Microsoft.ManagedIdentity/userAssignedIdentities/assign/action.",
            "CustomKubeletIdentityMissingPermissionError",
        )


def _fixed(old: Properties, new: Properties) -> None:
    """A pool keeps its size, disks, network and priority, and a spot pool the taint that AKS gave it."""
    old = {"scaleSetPriority": "Regular", **old}  # What AKS takes and does not answer.
    for path in ("vmSize", *catalogue()[_POOL].immutable):
        if path_changed(path, old, new):
            raise property_change(path)
    taints = new.get("nodeTaints")
    if SPOT_TAINT in (old.get("nodeTaints") or ()) and taints is not None and SPOT_TAINT not in taints:
        raise property_change("nodeTaints")


def _upgrade(request: Request, wanted: str, current: object) -> str:
    versions = request.subscription.kubernetes_versions
    full = full_version(wanted, versions)
    if full is None:
        raise bad_request(
            f"Version {wanted} is not supported in this region. Please use [az aks get-versions] command to get the "
            f"supported version list: {', '.join(versions)}.",
            "K8sVersionNotSupported",
        )
    if isinstance(current, str) and not wanted.startswith(".".join(current.split(".")[:2])):
        steps = int(full.split(".")[1]) - int(current.split(".")[1])
        if steps not in (0, 1):
            raise ArmError(
                400,
                "OperationNotAllowed",
                f"Upgrading Kubernetes version {current} to {full} is not allowed: one minor version up at a time.",
            )
    return full


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
