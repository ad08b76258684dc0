"""How it ends: a teardown with and without obstacles, and what stays in the cloud afterwards."""

from __future__ import annotations

import json

from components.targets.aks.teardown import stays
from components.targets.spec import Aks
from rehearsal.life.acts.faults import arm
from rehearsal.life.stage import Act, Needs, Stage
from rehearsal.life.troubles import TROUBLES
from rehearsal.providers.azure.faults import Fault
from rehearsal.providers.azure.store import Record
from rehearsal.providers.azure.subscription import Subscription

GROUP, VAULT, CLUSTER = "resources:ResourceGroup", "keyvault:Vault", "containerservice:ManagedCluster"


def destroy(stage: Stage) -> None:
    """A teardown first refuses what is protected. Then a forgotten management lock stops it, with a message that says
    on what it lies; once that is taken away the same command goes on to the end. Nothing is left but what the file says
    shall stay."""
    world = stage.world
    run = stage.refused(
        "destroy", "--yes", "--skip-preview", words=["protected"], doing="tearing down what is protected"
    )
    stage.fact("protected", run.message())
    lock = world.cloud.lock(world.cloud.find(GROUP, f"slm-{world.stack}").id, "nobody-remembers-why")
    run = stage.refused(*_destroying(), words=["ScopeLocked", "remove the lock"], doing="tearing down, with a lock")
    stage.fact("with a lock", run.message())
    stage.fact("way out", TROUBLES["locked"].way_out)
    world.cloud.delete(lock)
    run = stage.pulumi(*_destroying(), doing="tearing down, without the lock")
    stage.fact("destroyed", run.told)
    _what_is_left(stage)


def _destroying() -> tuple[str, ...]:
    return ("destroy", "--yes", "--skip-preview", "--ignore-protect")


def _what_is_left(stage: Stage) -> None:
    """Exactly what the stack's file keeps is left, and the state knows of nothing."""
    world, target = stage.world, stage.world.target
    left = world.cloud.resources()
    kept = kept_resources(target, left)
    stage.none(
        (f"{one.resource_type} {one.id}" for one in left if one not in kept), "left in Azure, and nobody wants it"
    )
    stage.require(not world.has_cluster, "the cluster's API server still answers")
    for one in left:
        stage.fact("stays in Azure", f"{one.resource_type} {one.name}")
    for one in world.cloud.soft_deleted():
        stage.fact("deleted, its name taken until it is purged", f"{one.resource_type} {one.name}")
    for disk in world.disks:
        stage.fact("stays in Azure", f"disk {disk}")
    for sentence in stays(target, world.stack):
        stage.fact("and how to remove it", sentence)
    stage.none(known_to(world.pulumi.check("stack", "export", "-s", world.stack)), "the state still knows of these")


def known_to(state: str) -> list[str]:
    """What an exported state holds: resources, and operations of which nobody knows how they ended (pure)."""
    deployment = json.loads(state)["deployment"]
    pending = [operation["resource"] for operation in deployment.get("pending_operations") or ()]
    return [str(resource["urn"]) for resource in [*(deployment.get("resources") or ()), *pending]]


def kept_resources(target: Aks, left: list[Record]) -> list[Record]:
    """Those of the resources that may stay: the vault, and the group of what outlives a cluster (pure)."""
    return [
        one
        for one in left
        if (one.resource_type == VAULT and target.retain.vault and target.vault and one.name == target.vault.name)
        or (one.resource_type == GROUP and one.name.endswith("-data") and (target.retain.vault or target.retain.data))
    ]


def adopt(stage: Stage) -> None:
    """The next deployment takes over what the teardown left: the vault with its secrets is the same one, and nothing
    has to be imported by hand. Without being told so, it says that the names are taken."""
    world = stage.world
    before = {one.id: one.born for one in world.cloud.resources()}
    run = stage.up_refused(words=["already existing resource"], doing="deploying over what is left, untold")
    stage.fact("what a person reads", run.message())
    target, subscription = world.settings().gateway.target, Subscription.read(world.azure).subscription
    stage.change(targets={target: {"adopt": True, "subscription_id": subscription}})
    run = stage.up(doing="deploying over what is left, with adopt: true")
    now = {one.id: one.born for one in world.cloud.resources()}
    changed = [arm_id for arm_id, born in before.items() if now.get(arm_id) != born]
    stage.none(changed, "these were made anew, or are gone")
    stage.fact("taken over", ", ".join(arm_id.rpartition("/")[2] for arm_id in before))
    stage.fact("way out", f"adopt: true and subscription_id on the target, then pulumi up: {run.told}")
    stage.unchanged()


def half_created(stage: Stage) -> None:
    """The cluster's creation fails half-way, in an empty subscription: Azure has a cluster in the state Failed. The
    same command again goes on with what is there, and ends with a running stack."""
    world = stage.world
    arm(stage, Fault(type=CLUSTER, operation="create", fault="half_done", times=1))
    run = stage.up_refused(words=["provisioningState Failed"], doing="deploying, and the cluster fails half-way")
    stage.fact("what a person reads", run.message())
    state = world.cloud.resources(CLUSTER)[0].state
    stage.require(state == "Failed", f"the cluster's state is {state}")
    run = stage.up(doing="deploying again")
    state = world.cloud.resources(CLUSTER)[0].state
    stage.require(state == "Succeeded", f"the cluster's state is {state}")
    stage.fact("way out", f"{TROUBLES['half-created'].way_out}: {run.told}")


def gone(stage: Stage) -> None:
    """Somebody has deleted the cluster at the portal, and its API server answers nobody. The teardown still works: what
    was in the cluster is counted as gone with it."""
    world = stage.world
    world.cloud.delete(world.cloud.resources(CLUSTER)[0].id)
    world.wait(lambda: not world.has_cluster, "the API server to be gone")
    run = stage.pulumi(
        *_destroying(),
        "--refresh",
        doing="tearing down without a cluster",
        extra={"PULUMI_K8S_DELETE_UNREACHABLE": "true"},
    )
    stage.fact("destroyed", run.told)
    stage.fact("how", "PULUMI_K8S_DELETE_UNREACHABLE=true pulumi destroy --ignore-protect --refresh")
    _what_is_left(stage)


ACTS = (
    Act("destroy", "Teardown, held up by a lock", destroy, leaves=False, short=True),
    Act("adopt", "Deploy again over what was left", adopt, Needs.LEFT),
    Act("fault-half-created", "Fault: the cluster is created half-way", half_created, Needs.ZERO),
    Act("gone", "Teardown of a cluster that is gone", gone, leaves=False),
)
