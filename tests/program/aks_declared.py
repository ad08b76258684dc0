"""Declares a target on AKS under mocks, once for all tests that look at the same stack."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from typing import Any

import pulumi
import pytest
from pulumi.runtime import MockResourceArgs
from pulumi.runtime.stack import run_pulumi_func

from components.targets.aks.target import AksTarget
from components.targets.aks.watched import RuleGroup, Watched
from components.targets.placement import Placement, Surroundings
from components.targets.spec import Aks
from components.workload import Probe, Resources, SecretFile, Workload
from tests.program.aks_recorder import SUBSCRIPTION, AksRecorder
from tests.unit.aks_samples import aks

Declare = Callable[..., AksRecorder]
CANARY = "canary-" + "c" * 40
WATCHED = Watched(
    scrape="scrape_configs: []",
    settings="cadvisor = false",
    groups=(
        RuleGroup(name="engines-1", rules=({"record": "slm:up", "expression": "up", "enabled": True},)),
        RuleGroup(
            name="engine-alerts-1",
            rules=(
                {
                    "alert": "EngineDown",
                    "expression": "slm:up == 0",
                    "enabled": True,
                    "severity": 0,
                    "for": "PT2M",
                    "labels": {"severity": "critical"},
                    "annotations": {"summary": "gone"},
                    "resolveConfiguration": {"autoResolved": True, "timeToResolve": "PT2M"},
                },
            ),
        ),
    ),
    emails=("ops@example.org",),
)
TABLE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/hub/providers/Microsoft.Network/routeTables/out"
ALONE = Surroundings()


class NoSecrets:
    """Secrets of a stack whose values lie in a vault: whoever asks for one here made a mistake."""

    def content(self, name: str) -> pulumi.Output[str]:
        raise AssertionError(f"the program asked for the content of {name}, and only the vault knows it")


class FromZero(AksRecorder):
    """Azure at the first preview: nothing has an id yet, and nothing but what was asked for is known."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        super().new_resource(args)
        # Of an identity, what is asked for has another form than what comes back.
        return None, {key: value for key, value in args.inputs.items() if key != "identity"}


def workload(name: str, *, gpus: int = 0, secret: str = "") -> Workload:
    return Workload(
        name=name,
        image="docker.io/library/engine@sha256:" + "e" * 64,
        port=8000,
        probe=Probe(command=("true",)),
        resources=Resources(memory_mib=512, cpus=1),
        secrets=(SecretFile(name="key", secret=secret),) if secret else (),
        gpus=gpus,
    )


@pytest.fixture(scope="module")
def declare() -> Iterator[Declare]:
    """Gives a function that declares a target with workloads on it and returns what was registered.

    What was declared before is not declared again: most tests look at the same stack.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loops: list[asyncio.AbstractEventLoop] = []
    done: dict[tuple[object, ...], AksRecorder] = {}

    def of_this_thread() -> None:
        made = asyncio.new_event_loop()
        asyncio.set_event_loop(made)
        loops.append(made)

    executor = ThreadPoolExecutor(initializer=of_this_thread)
    loop.set_default_executor(executor)

    def run(
        spec: Aks | None = None,
        *workloads: Workload,
        recorder: AksRecorder | None = None,
        watched: Watched | None = None,
        around: Surroundings = ALONE,
    ) -> AksRecorder:
        spec = spec or aks()
        given = [*workloads, *([watched] if watched else [])]
        key = (type(recorder), spec.model_dump_json(), *(one.model_dump_json() for one in given), around)
        if key in done:
            return done[key]
        recorder = recorder or AksRecorder()
        # The transformation of one run sees the resources of all that come after it, so it gets a list of its own.
        running = copy(recorder)
        running.seen = []
        preview = isinstance(recorder, FromZero)
        pulumi.runtime.set_mocks(recorder, project="slm", stack="prod", preview=preview)

        async def program() -> None:
            pulumi.runtime.register_stack_transformation(running.transform)
            target = AksTarget("cloud", spec, "prod", watched)
            for one in workloads:
                parent = pulumi.ComponentResource("slm:engine:test", one.name)
                target.kubernetes.run(one, Placement(parent, NoSecrets(), around))

        loop.run_until_complete(run_pulumi_func(program))
        recorder.seen = list(running.seen)
        done[key] = recorder
        return recorder

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PULUMI_ERROR_OUTPUT_STRING", "1")
        yield run
    executor.shutdown()
    for made in (*loops, loop):
        made.close()
    asyncio.set_event_loop(None)


def cluster(recorder: AksRecorder) -> dict[str, Any]:
    return recorder.only(":ManagedCluster")


def nodes(recorder: AksRecorder) -> dict[str, dict[str, Any]]:
    """The inline system pool and every other pool, by name."""
    found = {pool["agentPoolName"]: pool for pool in recorder.of_type(":AgentPool").values()}
    (system,) = cluster(recorder)["agentPoolProfiles"]
    return {system["name"]: system, **found}


def roles(recorder: AksRecorder) -> dict[str, dict[str, Any]]:
    return {name.removeprefix("cloud-role-"): inputs for name, inputs in recorder.of_type(":RoleAssignment").items()}


def options(recorder: AksRecorder, name: str) -> pulumi.ResourceOptions:
    (found,) = [seen.options for seen in recorder.seen if seen.name == name]
    return found
