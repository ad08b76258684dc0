"""Other models and other versions on a stack that runs."""

from __future__ import annotations

from components.settings import Settings, SettingsError
from rehearsal.control_plane.api import Object
from rehearsal.life.judging.objects import identities, waits_because
from rehearsal.life.objects import Objects
from rehearsal.life.site import another_digest
from rehearsal.life.stage import Act, Failed, Stage

DEADLINE = 15
"""Seconds after which the forced rollout is called stuck."""


def model(stage: Stage) -> None:
    """Another model is one word in the stack's file: its weights are fetched into a volume of their own, the engine's
    pods are replaced, the gateway goes on, and the old volume stays until somebody deletes it."""
    world, live = stage.world, Objects(stage.world)
    name, engine = next(iter(world.settings().hosted.items()))
    other = _another_model(stage, name)
    before = identities(live.pods())
    volumes = {claim["metadata"]["name"] for claim in live.all("v1", "persistentvolumeclaims")}
    stage.change(engines={name: {"model": other}})
    run = stage.up(doing=f"serving {other} instead of {engine.model}")
    after = {claim["metadata"]["name"] for claim in live.all("v1", "persistentvolumeclaims")}
    stage.require(after - volumes, "the new model has no volume of its own")
    _replaced(stage, before, live, name)
    stage.fact("model", f"{engine.model} → {other}")
    stage.fact("new volume", ", ".join(sorted(after - volumes)))
    stage.fact("old volume", f"{'kept' if volumes <= after else 'gone'}: {', '.join(sorted(volumes))}")
    stage.fact("steps", run.told)


def _another_model(stage: Stage, name: str) -> str:
    """The smallest other model that the stack could serve. Raises Failed where there is none."""
    settings = stage.world.settings()
    for key in _by_size(settings, name):
        if key == settings.hosted[name].model:
            continue
        try:
            if not stage.world.overlay.settings(engines={name: {"model": key}}).refusals(stage.world.stack):
                return key
        except SettingsError:
            continue
    raise Failed("the catalogue has no other model that this stack could serve")


def _by_size(settings: Settings, name: str) -> list[str]:
    """Models that the engine has weights for, the smallest first."""
    found = {}
    for key, model in settings.models.items():
        try:
            _, weights = settings.hosted[name].weights_of(model)
        except ValueError:
            continue
        found[key] = weights.size_bytes
    return sorted(found, key=lambda key: (found[key], key))


def _replaced(stage: Stage, before: dict[str, tuple[str, int]], live: Objects, workload: str) -> None:
    """The workload's pods are new ones, and ready."""
    stage.world.wait(live.all_ready, "all pods to be ready again")
    stale = [
        pod for pod in identities(live.pods(workload)) if pod in before and before[pod] == identities(live.pods())[pod]
    ]
    stage.none(stale, f"pods of {workload} that were not replaced")


def upgrade(stage: Stage) -> None:
    """An engine on the pool's last GPU is upgraded: the old pod makes way first, so the new one has a GPU, and the
    rollout ends by itself. A new pod that waited for a second GPU would wait for ever."""
    live = Objects(stage.world)
    name = _engine_with_gpu(stage)
    _last_gpu(stage, name)
    role = stage.world.settings().hosted[name].roles(stage.world.settings().model_of(name))[0]
    image = stage.world.settings().images[role]
    before = identities(live.pods())
    stage.change(images={role: another_digest(image, "upgraded")})
    run = stage.up(doing=f"upgrading {name} on the last GPU")
    _replaced(stage, before, live, name)
    strategy = live.controller(name)["spec"].get("strategy") or live.controller(name)["spec"]["updateStrategy"]
    stage.fact("image", f"{image.rpartition('@')[0]}, another digest")
    stage.fact("strategy", strategy)
    stage.fact("GPUs of the pool at its most", stage.world.target.gpus)
    stage.fact("steps", run.told)


def surge(stage: Stage) -> None:
    """The counter-proof: with a rollout that starts the new pod first, forced by hand on the last GPU, the same upgrade
    hangs until its deadline, and the scheduler says why. The next deployment repairs it."""
    live = Objects(stage.world)
    name = _engine_with_gpu(stage)
    _last_gpu(stage, name)
    forced = live.controller(name)
    container = forced["spec"]["template"]["spec"]["containers"][0]
    container["image"] = another_digest(container["image"], "forced")
    forced["spec"]["progressDeadlineSeconds"] = DEADLINE
    forced["spec"]["strategy"] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    stage.tell(f"forcing {name} to start its new pod first")
    stage.world.api.replace(live.controller_path(name), forced)
    stage.world.wait(lambda: _stuck(live.controller(name)), "the rollout to be called stuck", DEADLINE * 4)
    pending = [pod for pod in live.pods(name) if waits_because(pod)]
    stage.require(pending, "the rollout is stuck, and no pod waits for a node")
    sentence = waits_because(pending[0])
    stage.require("Insufficient nvidia.com/gpu" in sentence, "the scheduler names another reason", [sentence])
    stage.fact("the scheduler's words", sentence)
    stage.fact("the Deployment's words", _stuck(live.controller(name)))
    stage.bring_back("undoing what was forced")
    stage.world.wait(live.all_ready, "all pods to be ready again")
    stage.unchanged()


def _stuck(controller: Object) -> str:
    for condition in controller.get("status", {}).get("conditions", ()):
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            return str(condition["message"])
    return ""


def _engine_with_gpu(stage: Stage) -> str:
    for name, engine in stage.world.settings().hosted.items():
        if engine.gpus:
            return name
    raise Failed("no engine of the stack has a GPU")


def _last_gpu(stage: Stage, engine: str) -> None:
    """Let the engine's pool have as many GPUs as the engine needs, and no more."""
    world = stage.world
    gpus = world.settings().hosted[engine].gpus
    pool = str(world.target.pool_for(gpus))
    nodes = max(1, gpus // world.target.pools[pool].offered)
    if world.target.pools[pool].max_nodes == nodes:
        return
    target = world.settings().gateway.target
    stage.change(targets={target: {"pools": {pool: {"max_nodes": nodes}}}})
    stage.up(doing=f"letting pool {pool} have {nodes} node at most")


ACTS = (
    Act("model", "Another model", model),
    Act("upgrade", "Upgrade on the last GPU", upgrade, short=True),
    Act("surge", "What a surge would have done", surge),
)
