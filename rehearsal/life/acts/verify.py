"""What runs is what the stack promises: asked of the live objects, not of what was sent."""

from __future__ import annotations

import json

from components.gateway import NAME as GATEWAY
from components.webui.workload import NAME as WEBUI
from rehearsal.control_plane.api import Object, Refused
from rehearsal.life.judging import admission, edges, network, objects
from rehearsal.life.judging.canaries import Search
from rehearsal.life.objects import Objects
from rehearsal.life.stage import Act, Stage


def admitted(stage: Stage) -> None:
    """The namespace really enforces the restricted Pod Security Standard: the API server takes a pod as the engine's
    Deployment makes it, and refuses the same pod broken in any one place, naming that place."""
    world, live = stage.world, Objects(stage.world)
    engine = next(iter(world.settings().hosted))
    pod = admission.pod_of(live.controller(engine), "rehearsed")
    stage.require(_answer(live, pod) is None, "the engine's own pod would be refused", [_answer(live, pod) or ""])
    broken = admission.mutants(pod)
    problems = [admission.refusal_problem(word, _answer(live, mutant)) for word, mutant in broken.items()]
    stage.none(filter(None, problems), "admission does not refuse what it must")
    stage.fact("pods refused", ", ".join(broken))
    stage.fact("in the API server's words", _answer(live, broken["privileged"]))


def _answer(live: Objects, pod: Object) -> str | None:
    """Why the API server refuses the pod; None when it takes it. Nothing is made."""
    try:
        live.world.api.create(f"{live.path('v1', 'pods')}?dryRun=All", pod)
    except Refused as refusal:
        return refusal.message
    return None


def placed(stage: Stage) -> None:
    """The real scheduler put every engine with a GPU on a node of its GPU pool and everything else on nodes without:
    its own events say so, and the system pool holds no pod of the stack."""
    world, live = stage.world, Objects(stage.world)
    settings, target = world.settings(), world.target
    wanted = {name: str(target.pool_for(engine.gpus)) for name, engine in settings.hosted.items()}
    wanted |= dict.fromkeys((GATEWAY, *edges.exporters(settings)), target.general_name)
    if settings.webui:
        wanted[WEBUI] = target.general_name
    pods = live.pods()
    stage.none(objects.placement_problems(pods, live.nodes(), wanted), "pods are where they must not be")
    stage.none(objects.unscheduled(pods, live.all("v1", "events")), "no scheduler's event tells of these pods")
    for pod in pods:
        asked = pod["spec"]["containers"][0]["resources"]["requests"]
        gpus = {name: count for name, count in asked.items() if name.startswith("nvidia.com/")}
        pool = wanted[objects.workload_of(pod)]
        stage.fact(pod["metadata"]["name"], f"pool {pool}{', ' + str(gpus) if gpus else ''}")


def guarded(stage: Stage) -> None:
    """Every live workload has its three probes, limits that are its requests, time to end and something that happens
    before, an image by digest, no service account's token, and a disruption budget that is about it."""
    live = Objects(stage.world)
    controllers, budgets = live.controllers(), live.all("policy/v1", "poddisruptionbudgets")
    stage.none(objects.controller_problems(controllers, budgets), "live objects lack what every workload must have")
    for one in controllers:
        container = one["spec"]["template"]["spec"]["containers"][0]
        probe, limits = container["startupProbe"], container["resources"]["limits"]
        budget = probe["periodSeconds"] * probe["failureThreshold"]
        grace = one["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        stage.fact(one["metadata"]["name"], f"{one['kind']}, may start for {budget} s, ends in {grace} s, {limits}")


def connected(stage: Stage) -> None:
    """The live NetworkPolicies allow the stack's own connections and no other: each pair of workloads, pods of other
    namespaces, the internet, a site's network and both metadata addresses is tried at every port that matters."""
    world, live = stage.world, Objects(stage.world)
    settings, target = world.settings(), world.target
    jobs = live.all("batch/v1", "jobs")
    templates = edges.labels_of([*live.controllers(), *jobs])
    places = edges.places(templates, live.namespace)
    fetching = {job.name: job.egress for volume in settings.volumes() for job in volume.fill}
    wanted = edges.expected(settings, target, {name: yes for name, yes in fetching.items() if name in templates})
    policies = live.all("networking.k8s.io/v1", "networkpolicies")
    found = network.allowed(policies, places, edges.ports(settings), live.namespace)
    stage.none(edges.differences(found, wanted), "the graph of allowed connections is another one")
    tried = len(places) * (len(places) - 1) * len(edges.ports(settings))
    stage.fact("connections tried", tried)
    stage.fact("allowed", "; ".join(map(str, sorted(found))))


def hidden(stage: Stage) -> None:
    """Pods have their secrets, and nothing else has: the vault gave them to the right identity by federated credential
    and role, and their values are found in no state, event log, output, object, or resource of Azure."""
    world, live = stage.world, Objects(stage.world)
    classes = live.all("secrets-store.csi.x-k8s.io/v1", "secretproviderclasses")
    stage.require(classes, "no workload asks the vault for anything")
    waiting = [f"{live.namespace}/{one['metadata']['name']}" for one in classes]
    world.wait(
        lambda: all(name in world.driver.given or name in world.driver.refusals for name in waiting), "the vault"
    )
    stage.none((f"{name}: {why}" for name, why in world.driver.refusals.items()), "the vault refuses pods")
    for name in waiting:
        stage.fact(f"{name} from the vault", ", ".join(world.driver.given[name]))
    own = {kept["secretName"] for one in classes for kept in one["spec"]["secretObjects"]}
    search, there = Search(world.vault.canaries), Search(world.vault.canaries)
    for place, text in _everything(stage):
        (there if place.removeprefix("secrets ") in own else search).look(place, text)
    stage.none(sorted(search.hits), "secret values are where they must not be")
    stage.require(there.hits, "the search does not even find what is in the pods' own Secrets")
    stage.fact("searched", f"{search.places} files and objects, for {', '.join(world.vault.canaries)}")
    stage.fact("found where they belong", ", ".join(sorted(there.hits)))


def _everything(stage: Stage) -> list[tuple[str, bytes]]:
    """Whatever was written or answered, by where it is."""
    world, api = stage.world, stage.world.api
    found = [(str(path.relative_to(world.folder)), path.read_bytes()) for path in world.pulumi.files()]
    for process in world.plane.processes:
        found.append((f"log of {process.name}", process.log.read_bytes()))
    for root, plural in _collections(stage):
        for one in api.items(f"{root}/{plural}"):
            found.append((f"{plural} {one['metadata']['name']}", json.dumps(one).encode()))
    return found


def _collections(stage: Stage) -> list[tuple[str, str]]:
    """Every kind of object that the API server lists."""
    api = stage.world.api
    roots = ["/api/v1"]
    for group in api.get("/apis")["groups"]:
        roots.append(f"/apis/{group['preferredVersion']['groupVersion']}")
    found = []
    for root in roots:
        for kind in api.get(root)["resources"]:
            if "list" in kind["verbs"] and "/" not in kind["name"]:
                found.append((root, kind["name"]))
    return found


ACTS = (
    Act("admission", "Admission refuses what is not restricted", admitted, short=True),
    Act("placement", "The scheduler placed everything right", placed, short=True),
    Act("guards", "Probes, limits, budgets", guarded, short=True),
    Act("network", "Only the stack's own connections", connected, short=True),
    Act("secrets", "Secrets arrive, and are nowhere else", hidden, short=True),
)
