"""The policy pack's rules for pods, and what only the description beside them shows: one check for each control."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from policies import together
from policies.object_rules import account_has_no_token, role_reads_figures
from policies.pod_rules import LAST_SECONDS, RULES, settle_seconds
from tests.kubernetes.findings import Finding, Subject, control

Check = Callable[[Subject], Iterator[Finding]]


def _of_pods(number: int) -> Check:
    """The pack's rule, asked of every pod of a stack."""

    def check(subject: Subject) -> Iterator[Finding]:
        for pod in subject.pods():
            yield from RULES[number](pod)

    return check


BY_STANDARD = {23}
"""Kubernetes' own program asks for these; ours is tested in tests/unit/test_policies_kubernetes.py."""

WITH_MORE = {26, 37}
for _number in RULES.keys() - BY_STANDARD - WITH_MORE:
    control(_number)(_of_pods(_number))


@control(26)
def nobody_has_a_token(subject: Subject) -> Iterator[Finding]:
    yield from _of_pods(26)(subject)
    yield from together.accounts_are_there(subject.own)
    for role in (one for one in subject.objects if one["kind"] in ("Role", "ClusterRole")):
        yield from role_reads_figures(role)
    for account in subject.of_kind("ServiceAccount"):
        yield from account_has_no_token(account)


@control(30)
def starting_may_take_its_time(subject: Subject) -> Iterator[Finding]:
    workloads = subject.stack.workloads
    for pod in subject.pods():
        probe, startup = workloads[pod.workload].probe, pod.container.get("startupProbe")
        if probe is None or startup is None:
            continue
        budget = startup.get("periodSeconds", 10) * startup.get("failureThreshold", 3)
        if budget < probe.startup:
            harm = f"it is killed after {budget} s, while it loads"
            yield pod.inside(30, "startupProbe.failureThreshold", harm, f"give it {probe.startup} s")
        deadline = pod.controller["spec"].get("progressDeadlineSeconds")
        if pod.controller["kind"] == "Deployment" and (deadline is None or deadline <= budget):
            harm = "the rollout is given up while it may still start"
            yield Finding(30, pod.name, "spec.progressDeadlineSeconds", harm, f"more than {budget}")


@control(37)
def answers_may_end(subject: Subject) -> Iterator[Finding]:
    yield from _of_pods(37)(subject)
    workloads = subject.stack.workloads
    for pod in subject.pods():
        grace, drain, settle = (
            pod.spec["terminationGracePeriodSeconds"],
            workloads[pod.workload].drain,
            settle_seconds(pod),
        )
        if grace < settle + drain + LAST_SECONDS:
            harm = f"answers that run longer than {grace - settle} s are cut"
            fix = f"at least {settle + drain + LAST_SECONDS}"
            yield pod.finding(37, "terminationGracePeriodSeconds", harm, fix)
