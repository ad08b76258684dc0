"""What people do behind Pulumi's back, found and mended."""

from __future__ import annotations

from components.gateway import NAME as GATEWAY
from rehearsal.life.objects import Objects
from rehearsal.life.stage import Act, Stage

DENIAL = "default-deny"


def drift(stage: Stage) -> None:
    """Somebody deletes a NetworkPolicy, edits a Deployment, scales another by hand and opens a registry at the portal.
    `preview --refresh` shows each of them, and `up --refresh` brings back what the file says."""
    world, live = stage.world, Objects(stage.world)
    world.api.delete(live.path("networking.k8s.io/v1", "networkpolicies", DENIAL))
    engine = next(iter(world.settings().hosted))
    edited = live.controller(engine)
    edited["spec"]["template"]["spec"]["automountServiceAccountToken"] = True
    world.api.replace(live.controller_path(engine), edited)
    wanted = live.controller(GATEWAY)["spec"]["replicas"]
    world.api.merge(live.controller_path(GATEWAY), {"spec": {"replicas": wanted + 1}})
    registry = next(iter(world.cloud.resources("containerregistry:Registry")), None)
    done = {DENIAL: "NetworkPolicy", engine: "Deployment", GATEWAY: "Deployment"}
    if registry:
        world.cloud.change(registry.id, {"publicNetworkAccess": "Enabled"})
        done["images"] = "Registry"
    run = stage.pulumi("preview", "--refresh", doing="asking Azure and the cluster what has changed")
    seen = run.changed()
    for name, kind in done.items():
        step = next((s for s in seen if kind in s.kind and name in s.name), None)
        stage.require(step, f"the preview does not show the changed {kind} {name}", [str(s) for s in seen])
        stage.fact(f"{kind} {name}", f"{step.op} {', '.join(step.fields)}" if step else "")
    stage.bring_back("bringing back what the file says")
    world.wait(live.all_ready, "all pods to be ready again")
    stage.require(world.api.get(live.path("networking.k8s.io/v1", "networkpolicies", DENIAL)), "the denial is not back")
    mended = live.controller(engine)["spec"]["template"]["spec"]["automountServiceAccountToken"]
    stage.require(mended is False, "the edited Deployment still mounts a token")
    stage.require(live.controller(GATEWAY)["spec"]["replicas"] == wanted, "the scaled Deployment was left as it was")
    if registry:
        now = world.cloud.read(registry.id)["publicNetworkAccess"]
        stage.require(now == "Disabled", f"the registry's public address is {now}")
    stage.unchanged("--refresh")


ACTS = (Act("drift", "What was changed by hand", drift),)
