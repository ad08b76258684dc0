"""What one description means, as plain facts: what runs, whether it fits, what it costs, what it opens (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components import plan
from components.pricing import ClusterCost
from components.settings import Settings
from components.settings.image_rules import SOME_IMAGE
from components.sizing import Sized, size
from components.sizing.cost import costs
from components.targets.aks.site import site_of as site_of_aks
from components.targets.docker.container import Names as DockerNames
from components.targets.kubernetes.agents import as_agent
from components.targets.kubernetes.controllers import controller
from components.targets.kubernetes.described import site_of as site_of_cluster
from components.targets.kubernetes.names import Names as ClusterNames
from components.targets.placement import Naming
from components.targets.spec import Aks, Docker, Kubernetes, TargetSpec
from components.workload import Workload
from ops.pull_request.traits import Trait, traits

UNKNOWN_IMAGE = f"unknown@{SOME_IMAGE}"
"""In place of what each site builds: a cluster refuses what no registry could have."""


@dataclass(frozen=True)
class Weights:
    """One volume of weights: whose, in which form, and the bytes that come over the network for it."""

    model: str
    form: str
    size_bytes: int


@dataclass(frozen=True)
class Runs:
    """A workload where it runs.

    `restarts` is everything a change of which starts it anew; `reloads` what it reads again while it runs.
    `copies` are how many run at least and at most. `surges`: a new copy is started before an old one goes.
    """

    target: str
    on_cluster: bool
    workload: Workload
    copies: tuple[int, int]
    surges: bool
    restarts: Any
    reloads: Any


@dataclass(frozen=True)
class Picture:
    """One stack, or one host of a fleet, as its description says. `planned` None: it is not known what would run."""

    stack: str
    settings: Settings
    sized: Mapping[str, Sized]
    costs: Mapping[str, ClusterCost]
    planned: Mapping[str, Runs] | None
    weights: Mapping[tuple[str, str], Weights]
    traits: Mapping[str, Trait]
    refusals: tuple[str, ...]

    def form(self, engine: str) -> tuple[str, int]:
        """The form of the weights that a hosted engine serves, with their bytes."""
        key, weights = self.settings.hosted[engine].weights_of(self.settings.model_of(engine))
        return key, weights.size_bytes


def picture(stack: str, settings: Settings) -> Picture:
    """The facts of checked settings."""
    return Picture(
        stack=stack,
        settings=settings,
        sized={sized.engine: sized for sized in size(settings)},
        costs={cost.target: cost for cost in costs(settings)},
        planned=_planned(stack, settings),
        weights=_weights(settings),
        traits=traits(settings),
        refusals=tuple(settings.refusals(stack)),
    )


def _planned(stack: str, settings: Settings) -> dict[str, Runs] | None:
    """What runs, in the order it is deployed."""
    roles = {*settings.roles(), *settings.optional_roles()}
    known = settings.model_copy(update={"images": {**dict.fromkeys(roles, UNKNOWN_IMAGE), **settings.images}})
    try:
        naming = {name: _naming(known, name, stack) for name in known.targets}
        return {one.workload.name: _runs(one, naming[one.target]) for one in plan.plan(known, naming)}
    except ValueError:  # a target that cannot honour it: the preview says why
        return None


def _naming(settings: Settings, target: str, stack: str) -> Naming:
    spec, own = settings.targets[target], settings.monitoring
    if isinstance(spec, Docker):
        return DockerNames(stack, spec.name)
    if isinstance(spec, Kubernetes):
        return ClusterNames(site_of_cluster(spec), stack)
    return ClusterNames(site_of_aks(spec, managed=bool(own and own.managed)), stack)


def _runs(one: plan.Planned, naming: Naming) -> Runs:
    around, copies = one.around, (one.around.scale.least, one.around.scale.most)
    if isinstance(naming, ClusterNames):
        workload = as_agent(one.workload, around.view)
        made = controller(workload, around, naming.of(agent=around.is_agent))
        spec = made["spec"]
        update = (spec.get("strategy") or spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
        anew = {"kind": made["kind"], "pods": spec["template"], "claims": spec.get("volumeClaimTemplates")}
        files = [file.model_dump() for file in workload.files]
        return Runs(one.target, True, workload, copies, bool(update.get("maxSurge")), anew, files)
    inside = one.workload.model_dump(mode="json", exclude={"volumes", "files", "secrets", "reload_signal", "deadline"})
    mounted = [(v.name, v.path, v.read_only) for v in one.workload.volumes]
    outside = (around.exposure and (around.exposure.bind, around.exposure.port), around.circles, around.view)
    files = [file.model_dump() for file in (*one.workload.files, *one.workload.secrets)]
    reload = bool(one.workload.reload_signal)
    anew = {"inside": inside, "mounted": mounted, "outside": outside, "files": None if reload else files}
    return Runs(one.target, False, one.workload, copies, False, anew, files if reload else None)


def _weights(settings: Settings) -> dict[tuple[str, str], Weights]:
    """What is fetched, by target and where it lies there; of what is converted, the form it is made from."""
    found = {}
    images = {role: settings.images.get(role, SOME_IMAGE) for role in settings.roles()}
    known = settings.model_copy(update={"images": images})
    for name, engine in settings.hosted.items():
        model = settings.model_of(name)
        form = key = engine.weights_of(model)[0]
        while origin := model.weights[key].converted_from:
            key = origin
        for volume in known.workload_of(name).filled_volumes:
            if any(job.egress for job in volume.fill):
                lies = f"{_storage(settings.targets[engine.target])}{volume.name}"
                found[engine.target, lies] = Weights(model.name, form, model.weights[key].size_bytes)
    return found


def _storage(spec: TargetSpec) -> str:
    """What a volume of weights cannot follow: another namespace or kind of storage has volumes of its own."""
    if isinstance(spec, Docker):
        return ""
    kind = spec.storage if isinstance(spec, Aks) else f"{spec.storage_access}/{spec.storage_class}"
    return f"{spec.namespace}/{kind}/"
