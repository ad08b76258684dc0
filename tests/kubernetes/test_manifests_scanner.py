"""checkov, the public scanner, reads every stack: only reviewed exceptions are left, and what it misses is known."""

from __future__ import annotations

from collections import defaultdict

import pytest
import yaml

from tests.kubernetes import mutations_objects, mutations_pods
from tests.kubernetes.findings import Finding, excepted, exceptions
from tests.kubernetes.rendered import AGENTS, MAKE, stack
from tests.kubernetes.scanner import PACKAGES, Failure, failures

pytestmark = pytest.mark.kubernetes

MUTATIONS = {m.what: m for m in [*mutations_pods.MUTATIONS, *mutations_objects.MUTATIONS]}
NOTICED: dict[str, list[str]] = yaml.safe_load(PACKAGES.with_name("noticed.yaml").read_text())

CONTROLS = {
    **dict.fromkeys((16, 17, 18, 19, 20, 23, 25, 26, 28, 29, 31, 37, 39), 23),
    **dict.fromkeys((10, 11, 12, 13), 28),
    **dict.fromkeys((8, 9), 29),
    **dict.fromkeys((14, 43), 15),
    22: 24,
    40: 25,
    38: 26,
    35: 32,
    15: 42,
    21: 41,
    49: 26,
}
"""The control that a check of checkov (CKV_K8S_…) is about, as docs/security.md numbers them."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Failure]]:
    """What it says to each file: the stacks by their names, and each broken object alone by the number of its row."""
    files = {f"{name}.yaml": stack(name).all for name in MAKE}
    for number, mutation in enumerate(MUTATIONS.values()):
        if broken := mutation.broken(stack(mutation.stack).all):
            if broken["kind"] == "ClusterRole":
                # It takes the files together, and would give a whole stack's account the broken right.
                broken["metadata"]["name"] += "-broken"
            files[f"{number}.yaml"] = [broken]
    by_file: dict[str, list[Failure]] = defaultdict(list)
    for one in failures(files, "kubernetes", tmp_path_factory.mktemp("checkov")):
        by_file[one.file.removesuffix(".yaml")].append(one)
    return by_file


def as_finding(one: Failure) -> Finding:
    """In our own words: checkov writes `Kind.namespace.name`."""
    kind, namespace, name = one.resource.split(".", 2)
    resource = f"{kind}/{namespace}/{name}" if namespace.endswith(AGENTS) else f"{kind}/{name}"
    number = int(one.check.removeprefix("CKV_K8S_"))
    return Finding(CONTROLS[number], resource, one.check, one.says, "meet it, or write an exception")


def test_nothing_is_left_but_the_reviewed_exceptions(found: dict[str, list[Failure]]) -> None:
    told = [as_finding(one) for name in MAKE for one in found[name]]
    open_, _ = excepted(told, exceptions())
    assert [str(one) for one in open_] == []


def test_the_exceptions_of_node_agents_are_used(found: dict[str, list[Failure]]) -> None:
    told = [as_finding(one) for name in MAKE for one in found[name]]
    # Those of control 23 are used by Kubernetes' own checks (test_manifests_pod_security.py), which know more of it;
    # no scanner knows how long a program goes on serving (control 37).
    of_agents = [one for one in exceptions() if one.resource.startswith("DaemonSet/") and one.control not in (23, 37)]
    assert of_agents
    assert excepted(told, of_agents)[1] == []


def test_it_notices_what_is_written_down_and_nothing_else(found: dict[str, list[Failure]]) -> None:
    """It knows a part of what hardens: without the other checks most rows of the table would pass."""
    usual = {(one.check, one.resource) for name in MAKE for one in found[name]}
    noticed = {}
    for number, what in enumerate(MUTATIONS):
        if checks := {one.check for one in found[str(number)] if (one.check, one.resource) not in usual}:
            noticed[what] = sorted(checks)
    assert noticed == {what: sorted(checks) for what, checks in NOTICED.items()}
