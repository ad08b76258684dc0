"""As many copies as the pool has room for, and one more."""

from __future__ import annotations

from typing import Any

from components.settings import SettingsError
from rehearsal.life.judging.objects import is_ready, waits_because
from rehearsal.life.objects import Objects
from rehearsal.life.stage import Act, Failed, Stage


def scale(stage: Stage) -> None:
    """An engine grows to as many copies as its pool has GPUs, on nodes that the autoscaler adds. One copy more is
    refused before anything is done, with what to change; forced by hand it waits, and the scheduler says for what."""
    world, live = stage.world, Objects(stage.world)
    name, engine = next((n, e) for n, e in world.settings().hosted.items() if e.gpus)
    target, pool = world.settings().gateway.target, str(world.target.pool_for(engine.gpus))
    most = max(2, world.target.pools[pool].max_nodes)
    shape: dict[str, Any] = {"targets": {target: {"pools": {pool: {"max_nodes": most}}}}}
    copies = world.target.pools[pool].offered * most // engine.gpus
    if world.target.storage == "disk":
        stage.fact("on a disk of one node", _refusal(stage, {**shape, "engines": {name: {"replicas": copies}}}))
        shape["targets"][target]["storage"] = "files"
    stage.fact("one copy too many", _refusal(stage, {**shape, "engines": {name: {"replicas": copies + 1}}}))
    with stage.trying(**shape, engines={name: {"replicas": copies + 1}}):
        run = stage.refused("preview", words=["GPUs"], doing=f"previewing {copies + 1} copies")
    stage.fact("what a preview says", run.message())
    stage.change(**shape, engines={name: {"replicas": copies}})
    run = stage.up(doing=f"running {copies} copies")
    world.wait(live.all_ready, f"{copies} copies of {name} to be ready", 120)
    nodes = sorted({pod["spec"]["nodeName"] for pod in live.pods(name)})
    stage.require(len(nodes) == copies, f"{copies} copies are on {len(nodes)} nodes", nodes)
    stage.fact("copies", f"{copies} on {', '.join(nodes)}; {run.told}")
    _beyond(stage, live, name, copies)
    stage.change(engines={name: {"replicas": 1}})
    stage.bring_back("running one copy again")
    world.wait(live.all_ready, "one copy to be left")
    stage.unchanged()


def _refusal(stage: Stage, sections: dict[str, Any]) -> str:
    """What the settings say to a description they must refuse."""
    try:
        stage.world.overlay.settings(**sections)
    except SettingsError as error:
        return " ".join(str(error).split())
    raise Failed("the settings take more copies than there is room for", [str(sections)])


def _beyond(stage: Stage, live: Objects, name: str, copies: int) -> None:
    """One copy more than there are GPUs, by hand."""
    path = live.controller_path(name)
    stage.tell(f"forcing {copies + 1} copies by hand")
    stage.world.api.merge(path, {"spec": {"replicas": copies + 1}})
    stage.world.wait(lambda: any(waits_because(pod) for pod in live.pods(name)), "a copy to wait for a node")
    waiting = [waits_because(pod) for pod in live.pods(name) if not is_ready(pod)]
    stage.require(len(waiting) == 1, f"{len(waiting)} copies wait, and one must", waiting)
    stage.require("Insufficient nvidia.com/gpu" in waiting[0], "the scheduler names another reason", waiting)
    stage.fact("forced beyond it", waiting[0])


ACTS = (Act("scale", "As many copies as there are GPUs, and one more", scale),)
