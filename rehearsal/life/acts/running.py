"""What a running stack must take without anybody noticing: rotated keys, drained nodes."""

from __future__ import annotations

import base64

from components.gateway import NAME as GATEWAY
from components.gateway.settings import KEYS_SECRET
from rehearsal.life.judging.objects import identities, is_ready
from rehearsal.life.objects import Objects
from rehearsal.life.stage import Act, Stage


def rotation(stage: Stage) -> None:
    """An API key is replaced as the documents say: first both open the gateway, then only the new one. Both times the
    vault's content reaches the gateway's files by the CSI driver, no pod is replaced, no container starts again, and
    Pulumi sees nothing to do, because its state never held a key."""
    world, live = stage.world, Objects(stage.world)
    before = identities(live.pods())
    added = world.vault.add_key()
    _reaches_the_gateway(stage, live, 2)
    stage.fact("beside the old one", added)
    retired = world.vault.retire_old_keys()
    _reaches_the_gateway(stage, live, 1)
    stage.fact("retired", ", ".join(retired))
    run = stage.unchanged()
    after = identities(live.pods())
    changed = [f"{pod} was replaced or started again" for pod in before if after.get(pod) != before[pod]]
    stage.none(changed, "pods changed")
    stage.fact("pods unchanged", ", ".join(sorted(after)))
    stage.fact("preview afterwards", run.told)


def _reaches_the_gateway(stage: Stage, live: Objects, keys: int) -> None:
    """Wait until the gateway's file holds what the vault does: one line for each key."""
    stage.tell("waiting for the vault's driver")
    wanted = str(stage.world.vault.get(KEYS_SECRET))
    stage.require(len(wanted.splitlines()) == keys, f"the vault has {len(wanted.splitlines())} keys, and not {keys}")
    stage.world.wait(lambda: _keys_of(live) == wanted, "the vault's keys in the gateway's files")


def _keys_of(live: Objects) -> str:
    """What the gateway reads as its keys; nothing where it has none yet."""
    secrets = {one["metadata"]["name"]: one for one in live.all("v1", "secrets")}
    return base64.b64decode(secrets.get(f"{GATEWAY}-secrets", {}).get("data", {}).get("keys.map", "")).decode()


def drain(stage: Stage) -> None:
    """A node with an engine is drained as `kubectl drain` does it: the disruption budget lets its pod go, and the pod
    comes back on another node. Of a workload with several copies the budget lets one go at a time."""
    world, live = stage.world, Objects(stage.world)
    name = next(n for n, e in world.settings().hosted.items() if e.gpus)
    pod = live.pods(name)[0]
    node = pod["spec"]["nodeName"]
    world.api.merge(f"/api/v1/nodes/{node}", {"spec": {"unschedulable": True}})
    refusal = live.evict(pod)
    stage.require(not refusal, "the disruption budget keeps the node from being drained", [refusal])
    stage.tell(f"{node} is drained; waiting for {name} to come back")
    uid = pod["metadata"]["uid"]

    def is_back() -> bool:
        pods = live.pods(name)
        return bool(pods) and all(is_ready(p) and p["metadata"]["uid"] != uid for p in pods)

    world.wait(is_back, f"{name} to be ready on another node", 120)
    now = live.pods(name)[0]["spec"]["nodeName"]
    stage.require(now != node, f"the new pod is on {node}, which is being drained")
    stage.fact(f"{name} was on", node)
    stage.fact(f"{name} is on", now)
    world.api.merge(f"/api/v1/nodes/{node}", {"spec": {"unschedulable": False}})
    _one_at_a_time(stage, live)


def _one_at_a_time(stage: Stage, live: Objects) -> None:
    """Evict all copies of the gateway at once: the budget must let exactly one go."""
    copies = live.pods(GATEWAY)
    if len(copies) < 2:
        stage.fact("copies of the gateway", f"{len(copies)}: no budget could keep one of them")
        return
    refusals = [live.evict(pod) for pod in copies]
    gone = [refusal for refusal in refusals if not refusal]
    stage.require(len(gone) == 1, f"the budget let {len(gone)} of {len(copies)} copies go at once", refusals)
    stage.fact("all copies of the gateway at once", next(refusal for refusal in refusals if refusal))
    stage.world.wait(live.all_ready, "all copies of the gateway to be ready again")


ROTATION = Act("rotation", "A rotated API key", rotation, short=True)
DRAIN = Act("drain", "A drained node", drain)
