"""Pod Security Standards, by Kubernetes' own checks: every pod of every stack, and each that was weakened."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kubernetes import mutations_objects, mutations_pods
from tests.kubernetes.findings import Finding, excepted, exceptions
from tests.kubernetes.mutations import ADMISSION, SCHEMA, Mutation
from tests.kubernetes.pod_security import PodSecurity
from tests.kubernetes.rendered import CONTROLLERS, MAKE, pod_templates, stack

pytestmark = pytest.mark.kubernetes

WITH_PODS = [
    mutation
    for mutation in [*mutations_pods.MUTATIONS, *mutations_objects.MUTATIONS]
    if mutation.resource.split("/")[0] in CONTROLLERS and mutation.resource.count("/") == 1
]


@pytest.fixture(scope="module")
def evaluator() -> Iterator[PodSecurity]:
    with PodSecurity() as found:
        yield found


def refused(evaluator: PodSecurity, name: str) -> list[Finding]:
    """The pods of a stack that are not restricted as of the version that its namespace pins."""
    whole = stack(name)
    version = whole.site.pod_security_version
    asked = {resource: evaluator.refusal(pod, version) for resource, pod in pod_templates(whole.all).items()}
    return [Finding(23, resource, "spec.template", harm, "restricted") for resource, harm in asked.items() if harm]


def test_control_23_every_pod_is_restricted_but_for_the_reviewed_exceptions(evaluator: PodSecurity) -> None:
    found = [one for name in MAKE for one in refused(evaluator, name)]
    open_, unused = excepted(found, [one for one in exceptions() if one.control == 23])
    assert [str(one) for one in open_] == []
    assert unused == []


@pytest.mark.parametrize("mutation", WITH_PODS, ids=lambda mutation: mutation.what)
def test_control_23_a_weakened_pod_is_refused_and_another_is_not(evaluator: PodSecurity, mutation: Mutation) -> None:
    whole = stack(mutation.stack)
    broken = mutation.broken(whole.all)
    if SCHEMA in mutation.fails or broken is None:
        return  # What Kubernetes cannot read it cannot admit; test_manifests_admission.py sends it.
    refusal = evaluator.refusal(broken["spec"]["template"], whole.site.pod_security_version)
    assert bool(refusal) == (ADMISSION in mutation.fails), refusal or f"'{mutation.what}' would be admitted"


def test_control_22_the_pinned_version_asks_more_than_an_older_one(evaluator: PodSecurity) -> None:
    """A probe of another host is forbidden since 1.34: the version of the label decides what is refused."""
    [mutation] = [one for one in WITH_PODS if one.what == "a probe of another host"]
    broken = mutation.broken(stack("prod").all)
    assert broken is not None
    assert evaluator.refusal(broken["spec"]["template"], "v1.34")
    assert evaluator.refusal(broken["spec"]["template"], "v1.33") == ""
