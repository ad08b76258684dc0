"""What Azure does to people on a bad day: what they read, and the step that leads out of it, really taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tomlkit

from rehearsal.life.judging.objects import identities
from rehearsal.life.objects import Objects
from rehearsal.life.stage import Act, Failed, Stage
from rehearsal.life.troubles import TROUBLES
from rehearsal.providers.azure.faults import FILE, Fault, Faults
from rehearsal.providers.azure.subscription import FILE as SUBSCRIPTION
from rehearsal.providers.azure.subscription import Subscription
from rehearsal.providers.azure.vm_sizes import Size, sizes

POOL = "rehearsed"
"""The pool that is added to the stack so that something can go wrong with it."""

VCPUS = 4
"""Of its nodes: enough for what AKS itself runs there."""

CREDENTIAL, AGENT_POOL = "managedidentity:FederatedIdentityCredential", "containerservice:AgentPool"


def sku(stage: Stage) -> None:
    """A VM size that the region does not have: the deployment says which and where to look, nothing else is harmed,
    and another size in the stack's file leads out."""
    world, live = stage.world, Objects(stage.world)
    size, other = _two_families(stage)
    before = identities(live.pods())
    _subscription(stage, only_in={size.family: ["nowhere"]})
    stage.change(**_pool(stage, vm_size=size.name, min_nodes=1, max_nodes=1))
    run = stage.up_refused(words=["SkuNotAvailable", size.name], doing=f"adding a pool of {size.name}")
    _told(stage, "sku", run.message())
    stage.require(identities(live.pods()) == before and live.all_ready(), "the failure did something to running pods")
    stage.change(**_pool(stage, vm_size=other.name, min_nodes=1, max_nodes=1))
    _way_out(stage, "sku")
    world.wait(lambda: _nodes(stage), f"the node of pool {POOL}")
    stage.fact("pool now", f"{other.name}: {', '.join(_nodes(stage))}")


def quota(stage: Stage) -> None:
    """A pool of machines of which the subscription may have none: the message names the family and what is left of it.
    Once the quota is raised, the same command goes on."""
    world = stage.world
    size = _another_size(stage)
    _subscription(stage, quota={size.family: 0})
    stage.change(**_pool(stage, vm_size=size.name, min_nodes=1, max_nodes=2))
    run = stage.up_refused(words=["ErrCode_InsufficientVCPUQuota", size.family], doing="asking for more than the quota")
    _told(stage, "quota", run.message())
    _subscription(stage, quota={size.family: 100})
    _way_out(stage, "quota")
    world.wait(lambda: _nodes(stage), f"the node of pool {POOL}")
    stage.fact("pool now", f"{size.name}: {', '.join(_nodes(stage))}")


def conflict(stage: Stage) -> None:
    """Two changes at once of one managed identity: Azure refuses the second with 409. The program writes federated
    credentials one after the other; when somebody else writes at that moment, the same command a little later does."""
    world = stage.world
    lost = world.cloud.resources(CREDENTIAL)[0]
    world.cloud.delete(lost.id)
    arm(stage, Fault(type=CREDENTIAL, operation="create", fault="conflict", times=1))
    run = stage.up_refused("--refresh", words=["Status=409"], doing="writing a credential while somebody else does")
    _told(stage, "conflict", run.message())
    _way_out(stage, "conflict")
    stage.require(world.cloud.read(lost.id), "the federated credential is not back")


def slow(stage: Stage) -> None:
    """Azure takes long over a pool: the command waits and says for what, and ends well without anybody's help."""
    seconds = 12
    arm(stage, Fault(type=AGENT_POOL, name=POOL, operation="create", fault="slow", seconds=seconds, times=1))
    stage.change(**_pool(stage, vm_size=_another_size(stage).name, min_nodes=1, max_nodes=2))
    run = stage.up(doing=f"making a pool anew, which takes Azure {seconds} s")
    stage.require(run.seconds > seconds, f"the deployment ended after {run.seconds:.0f} s and did not wait")
    shown = [
        line.strip() for line in run.output.splitlines() if POOL in line and "AgentPool" in line and "created" in line
    ]
    stage.require(shown, "what Pulumi says does not tell that the pool took long", run.tail())
    stage.fact("what a person reads", shown[-1])
    stage.fact("what it means", TROUBLES["slow"].means)


def token(stage: Stage) -> None:
    """The login expires in the middle of a deployment, when a pool's nodes are to be made: it says so, and after a new
    login the same command goes on from there."""
    arm(stage, Fault(type=AGENT_POOL, name=POOL, operation="create", fault="token_expired", times=1))
    stage.change(**_pool(stage, vm_size=_another_size(stage).name, min_nodes=1, max_nodes=1))
    run = stage.up_refused(words=["ExpiredAuthenticationToken", "az login"], doing="while the login expires")
    _told(stage, "token", run.message())
    _way_out(stage, "token")
    stage.world.wait(lambda: _nodes(stage), f"the node of pool {POOL}")
    stage.unchanged()


def _told(stage: Stage, name: str, message: str) -> None:
    stage.fact("what a person reads", message)
    stage.fact("what it means", TROUBLES[name].means)


def _way_out(stage: Stage, name: str) -> None:
    """The step that leads out of it, which must end with everything deployed."""
    arm(stage)
    run = stage.up(doing=f"way out: {TROUBLES[name].way_out}")
    stage.fact("way out", f"{TROUBLES[name].way_out}: {run.told}")


def arm(stage: Stage, *faults: Fault) -> None:
    """Put exactly these faults into the simulated Azure."""
    rows = [fault.model_dump(exclude_none=True) for fault in Faults(fault=faults).fault]
    (stage.world.azure / FILE).write_text(tomlkit.dumps({"fault": rows}))


def _subscription(stage: Stage, **tables: dict[str, Any]) -> None:
    """Say something else of what the subscription allows."""
    (stage.world.azure / SUBSCRIPTION).write_text(tomlkit.dumps(tables))


def _pool(stage: Stage, **fields: Any) -> dict[str, Any]:
    """The sections with which the stack has the added pool."""
    target = stage.world.settings().gateway.target
    return {"targets": {target: {"pools": {POOL: fields}}}}


def _another_size(stage: Stage) -> Size:
    """A size of another family than the added pool's, where it is there already."""
    pool = stage.world.target.pools.get(POOL)
    now = sizes()[pool.vm_size.lower()].family if pool else ""
    return next(size for size in _ordinary(stage) if size.family != now)


def _two_families(stage: Stage) -> tuple[Size, Size]:
    first, *others = _ordinary(stage)
    second = next((size for size in others if size.family != first.family), None)
    if second is None:
        raise Failed("the catalogue has sizes of one family only")
    return first, second


def _ordinary(stage: Stage) -> list[Size]:
    """Sizes of four vCPUs that the region has, without GPUs, of families that the stack does not use."""
    subscription, target = Subscription.read(stage.world.azure), stage.world.target
    used = {sizes()[pool.vm_size.lower()].family for name, pool in target.pools.items() if name != POOL}
    named = [size for size in sizes().values() if size.vcpus == VCPUS and not size.gpus]
    return [size for size in named if size.family not in used and subscription.offers(size.family, target.location)]


def _nodes(stage: Stage) -> list[str]:
    found = stage.world.api.items("/api/v1/nodes")
    pool = [n for n in found if n["metadata"]["labels"].get("kubernetes.azure.com/agentpool") == POOL]
    return sorted(node["metadata"]["name"] for node in pool)


def _act(name: str, title: str, play: Callable[[Stage], None], *, short: bool = False) -> Act:
    return Act(f"fault-{name}", f"Fault: {title}", play, short=short)


ACTS = (
    _act("sku", "the region has not the VM size", sku),
    _act("quota", "quota exceeded", quota, short=True),
    _act("conflict", "409 on a federated credential", conflict),
    _act("slow", "Azure takes long", slow),
    _act("token", "the login expired", token),
)
