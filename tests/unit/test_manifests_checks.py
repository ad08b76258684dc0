"""What would be sent to a cluster, looked at as a whole: every stack, every control, and every field broken once."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from components.settings.permissions import SecurityException
from components.targets.kubernetes.names import Manifest
from components.targets.spec import Aks
from tests.kubernetes import checks_network, checks_objects, checks_pods, mutations_objects, mutations_pods
from tests.kubernetes.findings import CHECKS, excepted, exceptions, findings, value
from tests.kubernetes.mutations import ADMISSION, CONTAINER, POD, SCHEMA, Mutation
from tests.kubernetes.rendered import MAKE, key, stack
from tests.kubernetes.schemas import ADDED, problems

pytestmark = pytest.mark.unit

MUTATIONS = [*mutations_pods.MUTATIONS, *mutations_objects.MUTATIONS]
CHECKED_BY = {checks_pods, checks_objects, checks_network}
OLDEST, NEWEST = "1.30", "1.37"
"""Versions of Kubernetes that take every word of the manifests: docs/kubernetes.md names the first one."""


def numbered(mutation: Mutation) -> str:
    """`control_24-a root that can be written`; Kubernetes' own checks have names instead of numbers."""
    by = [f"control_{one}" if isinstance(one, int) else str(one) for one in sorted(mutation.fails, key=str)]
    return f"{'-'.join(by)}-{mutation.what}"


@pytest.mark.parametrize("control", [f"control_{number}" for number in sorted(CHECKS)])
def test_every_stack_meets(control: str) -> None:
    number = int(control.removeprefix("control_"))
    found = [one for name in MAKE for one in findings(stack(name), stack(name).all, number)]
    assert [str(one) for one in excepted(found, exceptions())[0]] == []


@pytest.mark.parametrize("mutation", MUTATIONS, ids=numbered)
def test_a_broken_field_is_noticed_by_the_named_checks_and_no_other(mutation: Mutation) -> None:
    whole = stack(mutation.stack)
    open_, _ = excepted(findings(whole, mutation.applied(whole.all)), exceptions())
    found: set[int | str] = {one.control for one in open_}
    broken = mutation.broken(whole.all)
    if broken and problems(broken, NEWEST):
        found.add(SCHEMA)
    # Admission is Kubernetes' own program: tests/kubernetes asks it.
    assert found == mutation.fails - {ADMISSION}, "\n".join(map(str, open_))


def test_no_check_is_without_a_field_that_it_notices() -> None:
    noticed = {one for mutation in MUTATIONS for one in mutation.fails}
    assert noticed == {*CHECKS, ADMISSION, SCHEMA}
    assert {module.__name__ for module in CHECKED_BY} == {check.__module__ for check in CHECKS.values()}
    names = [mutation.what for mutation in MUTATIONS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("resource", "path", "harmless"),
    [
        ("Deployment/chat", (*POD, "securityContext"), {"fsGroupChangePolicy"}),
        # What is privileged may also grow its privileges: both are broken in one row.
        ("Deployment/chat", (*CONTAINER, "securityContext"), {"privileged"}),
        ("Deployment/chat", (*CONTAINER, "resources", "limits"), {"nvidia.com/gpu"}),
        ("Namespace/slm", ("metadata", "labels"), set()),
        ("PodDisruptionBudget/chat", ("spec",), set()),
        ("NetworkPolicy/default-deny", ("spec",), set()),
        ("NetworkPolicy/to-chat", ("spec", "ingress", 0), set()),
        ("NetworkPolicy/from-chat-fetch-outside", ("spec", "egress", 0), set()),
        ("Service/gateway-outside", ("spec",), {"type", "selector", "ports"}),
    ],
    ids=lambda given: given if isinstance(given, str) else None,
)
def test_every_field_that_hardens_is_broken_once(
    resource: str, path: tuple[str | int, ...], harmless: set[str]
) -> None:
    """A field that is added must come with a row that breaks it, or it could go again unnoticed."""
    [one] = [o for o in stack("prod").objects if key(o) == resource]
    fields = {name for name in value(one, *path) if not name.startswith("app.kubernetes.io/")} - harmless
    broken = {m.path[len(path)] for m in MUTATIONS if m.resource == resource and m.path[: len(path)] == path != m.path}
    assert fields
    assert fields - broken == set()


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("version", [OLDEST, "default", NEWEST])
def test_kubernetes_knows_every_field(name: str, version: str) -> None:
    whole = stack(name)
    wanted = whole.site.pod_security_version.removeprefix("v") if version == "default" else version
    known = [one for one in whole.all if one["kind"] not in ADDED]
    assert len(known) > 20
    assert {f"{key(one)} {problem}" for one in known for problem in problems(one, wanted)} == set()


def test_a_version_that_is_too_old_does_not_know_them() -> None:
    objects = [one for one in stack("copies").all if one["kind"] not in ADDED]
    assert any(problems(one, "1.28") for one in objects), "the oldest version that docs name is too young"


def test_the_default_version_of_aks_is_among_the_checked_ones() -> None:
    assert OLDEST <= str(Aks.model_fields["kubernetes_version"].default) <= NEWEST


def own_exceptions() -> list[SecurityException]:
    """Those for our own checks; the node's agents are looked at by Kubernetes' checks and by checkov."""
    return [one for one in exceptions() if not one.resource.startswith("DaemonSet/")]


def test_every_exception_is_used() -> None:
    found = [one for name in MAKE for one in findings(stack(name), stack(name).all)]
    assert excepted(found, own_exceptions())[1] == []


def test_an_exception_that_excuses_nothing_is_told() -> None:
    found = findings(stack("prod"), stack("prod").all)
    unused = excepted(found, own_exceptions())[1]
    assert unused == [
        "control 25 on StatefulSet/cpu-vllm",
        "control 25 on StatefulSet/cuda",
        "control 26 on StatefulSet/prometheus",
    ]


def test_an_exception_holds_until_its_day_and_needs_a_reason(tmp_path: Path) -> None:
    row = {"control": 24, "resource": "Deployment/x", "reason": "it writes its state there", "expires": "2026-12-01"}
    file = tmp_path / "exceptions.yaml"
    file.write_text(yaml.safe_dump([row]))
    assert exceptions(date(2026, 12, 1), file)[0].control == 24
    with pytest.raises(ValidationError, match="expired 2026-12-01"):
        exceptions(date(2026, 12, 2), file)
    file.write_text(yaml.safe_dump([{**row, "reason": "no"}]))
    with pytest.raises(ValidationError, match="reason"):
        exceptions(date(2026, 12, 1), file)


def test_a_finding_says_where_what_could_happen_and_what_to_do() -> None:
    [mutation] = [m for m in MUTATIONS if m.what == "a root that can be written"]
    whole = stack(mutation.stack)
    [one], _ = excepted(findings(whole, mutation.applied(whole.all)), exceptions())
    assert str(one) == (
        "Deployment/chat spec.template.spec.containers[chat].securityContext.readOnlyRootFilesystem: whoever breaks in"
        " can change the program (control 24) — set it to true"
    )


def test_the_stacks_have_what_the_checks_are_about() -> None:
    """A check finds nothing where its subject is missing, so the subjects must be there."""

    def kinds(name: str) -> set[str]:
        return {one["kind"] for one in stack(name).all}

    everything: list[Manifest] = [one for name in MAKE for one in stack(name).all]
    assert {"DaemonSet", "SecretProviderClass", "StorageClass"} <= kinds("prod")
    assert {"StatefulSet", "Secret", "PersistentVolumeClaim"} <= kinds("engines")
    assert {"ScaledObject", "StatefulSet", "Job"} <= kinds("copies")
    engines = {type(engine).__name__ for name in MAKE for engine in stack(name).settings.engines.values()}
    assert engines >= {"Ollama", "LlamaCpp", "Onnx", "Vllm", "External"}
    assert {stack(name).site.exposure for name in MAKE} == {"internal", "none", "public"}
    assert {stack(name).site.storage_access for name in MAKE} == {"ReadWriteOnce", "ReadWriteMany"}
    balancers = [one for one in everything if value(one, "spec", "type") == "LoadBalancer"]
    assert len(balancers) == 4
    copies = [one for one in everything if (value(one, "spec", "replicas") or 0) > 1]
    assert len(copies) >= 3
