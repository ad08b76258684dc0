"""From nothing to a running stack."""

from __future__ import annotations

from rehearsal.life.judging.objects import is_ready
from rehearsal.life.objects import Objects
from rehearsal.life.stage import Act, Needs, Stage

GOAL = 300
"""Seconds from the command to the last ready pod."""

AZURE, KUBERNETES, OURS = "azure-native:", "kubernetes:", "slm:"


def preview(stage: Stage) -> None:
    """A preview of the whole stack works before anything exists: the subscription is empty, there is no cluster, and
    nothing answers where one will be."""
    stage.require(not stage.world.cloud.resources(), "the subscription is not empty")
    stage.require(not stage.world.has_cluster, "a cluster is there already")
    run = stage.pulumi("preview", doing="previewing from zero")
    others = {op: count for op, count in run.changes.items() if op != "create"}
    stage.require(not others, f"a first deployment would do more than create: {others}")
    stage.require(not stage.world.cloud.resources(), "the preview made something in Azure")
    stage.fact("to create", run.changes.get("create", 0))
    for label, kind in (("of Azure", AZURE), ("of Kubernetes", KUBERNETES), ("components", OURS)):
        count = len([step for step in run.changed(kind) if step.kind.startswith(kind)])
        stage.require(count, f"the preview shows nothing of {label}")
        stage.fact(f"to create, {label}", count)
    stage.fact("seconds", f"{run.seconds:.1f}")


def up(stage: Stage) -> None:
    """One command deploys all of it. At its end every pod is ready on a node that the real scheduler chose, and the
    command itself waited for that."""
    world = stage.world
    stage.tell("starting the control plane that plays the cluster")
    world.prepare_cluster()
    run = stage.up(doing="deploying")
    objects = Objects(world)
    late = [pod["metadata"]["name"] for pod in objects.pods() if not is_ready(pod)]
    stage.none(late, "pulumi up ended before these pods were ready")
    stage.require(objects.all_ready(), "some service has not the pods it wants")
    stage.fact("created", run.changes.get("create", 0))
    met = "met" if run.seconds <= GOAL else "missed"
    stage.fact("seconds until all is ready", f"{run.seconds:.0f}; goal of {GOAL} s: {met}")
    stage.fact("resources in Azure", len(world.cloud.resources()))
    for pod in objects.pods():
        stage.fact(f"pod {pod['metadata']['name']}", f"node {pod['spec']['nodeName']}")


def unchanged(stage: Stage) -> None:
    """Right after a deployment there is nothing to do, whether Pulumi compares with its own state or asks Azure and
    the cluster first: what they change by themselves, as an autoscaler counts nodes, is no difference."""
    run = stage.unchanged()
    stage.fact("preview", f"{run.changes.get('same', 0)} unchanged, {run.seconds:.1f} s")
    run = stage.unchanged("--refresh")
    stage.fact(
        "preview after asking Azure and the cluster", f"{run.changes.get('same', 0)} unchanged, {run.seconds:.1f} s"
    )


ACTS = (
    Act("preview", "Preview from zero", preview, Needs.ZERO, leaves=False, short=True),
    Act("up", "Deploy", up, Needs.ZERO, short=True),
)
UNCHANGED = Act("unchanged", "Nothing to do afterwards", unchanged, short=True)
