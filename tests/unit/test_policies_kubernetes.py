"""The policy pack on what clusters are sent: every rendered stack meets it, and each broken field is noticed."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from components.targets.kubernetes.names import AGENTS, Manifest
from policies import objects, pod_rules
from policies.evaluate import judge, resource_findings, stack_findings
from policies.finding import Finding, Resource
from policies.quantities import mebibytes
from policies.reviewed import excepted, exceptions
from tests.kubernetes import mutations_objects, mutations_pods
from tests.kubernetes.mutations import ADMISSION, REMOVED, SCHEMA, Mutation
from tests.kubernetes.rendered import MAKE, stack

pytestmark = pytest.mark.unit

MUTATIONS = [*mutations_pods.MUTATIONS, *mutations_objects.MUTATIONS]
WITH_DESCRIPTION = {30, 34}
"""Controls for which one must know how long an engine may start and how many GPUs a pool has."""

WITH_DRAIN = {"no time to end"}
"""Too short only for who knows how long the workload drains (control 37)."""

MORE = {"a third namespace, open", "a node agent with a token", "an agent nobody listed"}
"""What breaks rules of pods and namespaces besides, which tests/kubernetes asks of a stack's own objects only."""

ONLY_THE_GRAPH = {
    "an engine closed to its gateway",
    "a gateway that cannot ask its engine",
    "names nowhere",
    "a policy for every pod",
    "names for everybody",
    "an engine that may ask for names",
}
"""Broken policies that are sound by themselves: what is missing is a connection of the graph (graphs.yaml)."""


def test_agents_are_called_the_same() -> None:
    assert objects.AGENTS == AGENTS


def resources(manifests: list[Manifest]) -> list[Resource]:
    return [
        Resource(f"kubernetes:{one['apiVersion']}:{one['kind']}", one["metadata"]["name"], one) for one in manifests
    ]


def found(manifests: list[Manifest]) -> list[Finding]:
    whole = resources(manifests)
    return [*(one for each in whole for one in resource_findings(each)), *stack_findings(whole)]


@pytest.mark.parametrize("name", MAKE)
def test_control_70_a_stack_on_a_cluster_breaks_nothing(name: str) -> None:
    judged = judge(resources(stack(name).all))
    assert [str(one) for one in judged.open] == []
    assert judged.judged == len(stack(name).all) > 25


def test_control_71_every_exception_of_the_project_is_used() -> None:
    everything = [one for name in MAKE for one in found(stack(name).all)]
    assert excepted(everything, exceptions())[1] == []


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.what)
def test_a_broken_field_is_noticed_by_the_packs_rule(mutation: Mutation) -> None:
    whole = stack(mutation.stack).all
    broken = mutation.broken(whole)
    # All other objects are as they were, and above nothing was found in them.
    alone = [one for each in resources([broken] if broken else []) for one in resource_findings(each)]
    open_, _ = excepted([*alone, *stack_findings(resources(mutation.applied(whole)))], exceptions())
    wanted = {one for one in mutation.fails if isinstance(one, int)} - WITH_DESCRIPTION
    if ADMISSION in mutation.fails:
        wanted.add(23)
    if mutation.what in ONLY_THE_GRAPH:
        wanted.discard(31)
    if mutation.what in WITH_DRAIN:
        wanted.discard(37)
    noticed = {one.control for one in open_}
    assert wanted <= noticed if mutation.what in MORE else wanted == noticed, "\n".join(map(str, open_))


def test_every_pod_rule_is_broken_by_some_field() -> None:
    noticed = {one for mutation in MUTATIONS for one in mutation.fails}
    assert set(pod_rules.RULES) - noticed - {23} == set()
    assert ADMISSION in noticed
    assert SCHEMA in noticed
    assert {mutation.what for mutation in MUTATIONS} >= ONLY_THE_GRAPH | WITH_DRAIN | MORE


def binding(**changed: Any) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "figures"},
        "roleRef": {"kind": "ClusterRole", "name": "slm-prometheus-kubelets"},
        "subjects": [{"kind": "ServiceAccount", "name": "prometheus", "namespace": "slm"}],
        **changed,
    }


@pytest.mark.parametrize(
    "changed",
    [
        {"roleRef": {"kind": "ClusterRole", "name": "cluster-admin"}},
        {"roleRef": {"kind": "ClusterRole", "name": "system:node"}},
        {"subjects": [{"kind": "Group", "name": "system:authenticated"}]},
        {"subjects": [{"kind": "User", "name": "somebody"}]},
    ],
    ids=["cluster-admin", "system:node", "everybody", "a person"],
)
def test_control_26_a_binding_that_gives_more_is_noticed(changed: dict[str, Any]) -> None:
    (good,) = resources([binding()])
    assert list(resource_findings(good)) == []
    (bad,) = resources([binding(**changed)])
    assert {one.control for one in resource_findings(bad)} == {26}


def test_control_37_a_job_and_a_first_container_serve_nobody() -> None:
    job = next(one for one in stack("prod").all if one["kind"] == "Job")
    assert not [one for pod in objects.pods(job) for one in pod_rules.answers_may_end(pod)]


@pytest.mark.parametrize("kind", ["Pod", "CronJob", "ReplicaSet"])
def test_pods_are_found_whoever_makes_them(kind: str) -> None:
    deployment = next(one for one in stack("prod").all if one["kind"] == "Deployment")
    template = copy.deepcopy(deployment["spec"]["template"])
    template["spec"]["containers"][0]["securityContext"]["privileged"] = True
    inside: dict[str, Any] = {"template": template}
    spec = {"jobTemplate": {"spec": inside}} if kind == "CronJob" else inside
    one = {**template, "kind": kind} if kind == "Pod" else {"kind": kind, "spec": spec}
    one |= {"apiVersion": "v1", "metadata": {"name": "other", "namespace": "slm"}}
    (resource,) = resources([one])
    assert 23 in {one.control for one in resource_findings(resource)}


def test_a_first_container_is_judged_as_well() -> None:
    deployment = copy.deepcopy(next(one for one in stack("prod").all if one["kind"] == "Deployment"))
    deployment["spec"]["template"]["spec"]["initContainers"] = [{"name": "first", "image": "docker.io/x:latest"}]
    (resource,) = resources([deployment])
    noticed = {one.control for one in resource_findings(resource) if "containers[first]" in one.path}
    assert {15, 23, 24} <= noticed
    assert 29 not in noticed


@pytest.mark.parametrize(("text", "mib"), [("512Mi", 512), ("2Gi", 2048), ("1048576", 1), ("2048Ki", 2)])
def test_quantities_of_memory(text: str, mib: float) -> None:
    assert mebibytes(text) == mib


@pytest.mark.parametrize("text", ["", "512Qi", "many"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        mebibytes(text)


def test_removed_objects_are_among_the_broken_ones() -> None:
    assert [mutation for mutation in MUTATIONS if not mutation.path and mutation.value is REMOVED]
