"""A real API server is sent every object of every stack, strictly validated: accepted as it is, refused when broken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kubernetes.config import new_client_from_config

from components.targets.kubernetes.names import Manifest
from rehearsal.control_plane import ControlPlane
from tests.kubernetes import mutations_objects, mutations_pods
from tests.kubernetes.api_server import ApiServer
from tests.kubernetes.conftest import wait
from tests.kubernetes.mutations import ADMISSION, SCHEMA
from tests.kubernetes.pod_security import PodSecurity
from tests.kubernetes.rendered import AGENTS, MAKE, Stack, key, stack

pytestmark = pytest.mark.kubernetes

FIRST = ("Namespace", "PriorityClass", "StorageClass", "ServiceAccount")
"""What others refer to: an API server refuses a pod whose class or account is not there."""

GONE = 120.0
"""Seconds that a namespace may take to go; six are the rule, on a busy machine it can be more."""

MUTATIONS = [*mutations_pods.MUTATIONS, *mutations_objects.MUTATIONS]
REFUSED = [m for m in MUTATIONS if ADMISSION in m.fails]
MISSPELT = [m for m in MUTATIONS if SCHEMA in m.fails]


@pytest.fixture(scope="module")
def server(control_plane: ControlPlane) -> Iterator[ApiServer]:
    api = new_client_from_config(str(control_plane.kubeconfig))
    yield ApiServer(api)
    api.rest_client.pool_manager.clear()
    api.close()


@pytest.fixture(scope="module", params=MAKE)
def begun(request: pytest.FixtureRequest, server: ApiServer) -> Iterator[Stack]:
    """One of the stacks, of which is there what its other objects refer to."""
    whole = stack(request.param)
    first = [one for one in whole.all if one["kind"] in FIRST]
    made: list[Manifest] = []
    try:
        for one in first:
            server.create(one)
            made.append(one)
        yield whole
    finally:
        for one in [one for one in reversed(made) if one["kind"] != "ServiceAccount"]:
            server.delete(one)
        wait(lambda: not any(server.there(one) for one in made), "the namespaces to go", GONE)


@pytest.fixture(scope="module")
def evaluator() -> Iterator[PodSecurity]:
    with PodSecurity() as found:
        yield found


def pod_of(controller: Manifest, namespace: str) -> Manifest:
    """A pod as its controller would make it."""
    template = controller["spec"]["template"]
    metadata = {**template["metadata"], "name": "asked-about", "namespace": namespace}
    spec = template["spec"] if controller["kind"] == "Job" else {**template["spec"], "restartPolicy": "Always"}
    volumes = [v for v in spec["volumes"]] + [
        # A StatefulSet's controller adds the volumes of its claims.
        {"name": claim["metadata"]["name"], "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}}
        for claim in controller["spec"].get("volumeClaimTemplates", ())
    ]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**spec, "volumes": volumes}}


def anonymous(pod: Manifest) -> Manifest:
    """The pod without the names of what is only in its own namespace."""
    kept = {name: word for name, word in pod["spec"].items() if name not in ("serviceAccountName", "priorityClassName")}
    return {**pod, "spec": kept}


def test_every_object_is_accepted_without_a_warning(begun: Stack, server: ApiServer) -> None:
    rest = [one for one in begun.all if one["kind"] not in FIRST]
    assert len(rest) >= 20
    answers = {key(one): server.would(one) for one in rest}
    assert {name: answer.message for name, answer in answers.items() if not answer.accepted} == {}
    # The nodes' agents alone are not restricted, and their namespace says so at each of them.
    warned = {name for name, answer in answers.items() if answer.warnings}
    assert warned == {name for name in answers if name.startswith(f"DaemonSet/{begun.site.namespace}{AGENTS}/")}


def test_control_23_every_pod_is_admitted(begun: Stack, server: ApiServer) -> None:
    for controller in begun.all:
        if "template" in controller.get("spec", {}):
            answer = server.would(pod_of(controller, controller["metadata"]["namespace"]))
            assert answer.accepted, f"{key(controller)}: {answer.message}"


def test_control_22_the_namespace_refuses_what_breaks_the_standard_in_the_evaluators_words(
    begun: Stack, server: ApiServer, evaluator: PodSecurity
) -> None:
    mutations = [m for m in REFUSED if m.stack == begun.name]
    assert begun.name != "prod" or len(mutations) > 20
    told = {}
    for mutation in mutations:
        controller = mutation.broken(begun.all)
        assert controller is not None
        answer = server.would(pod_of(controller, begun.site.namespace))
        expected = evaluator.refusal(controller["spec"]["template"], begun.site.pod_security_version)
        # The server fills in defaults first: who has the node's network also has the node's ports.
        if answer.status != 403 or not expected or expected not in answer.message:
            told[mutation.what] = (answer, expected)
    assert told == {}


def test_a_misspelt_or_misplaced_word_is_refused_and_not_dropped(begun: Stack, server: ApiServer) -> None:
    mutations = [m for m in MISSPELT if m.stack == begun.name]
    assert begun.name != "prod" or len(mutations) > 3
    for mutation in mutations:
        broken = mutation.broken(begun.all)
        assert broken is not None
        answer = server.would(broken)
        assert answer.status in (400, 422), f"{mutation.what}: {answer}"
        assert any(word in answer.message for word in ("unknown field", "cannot unmarshal", "Invalid value")), answer


def test_control_41_a_node_agent_is_admitted_beside_its_like_only(begun: Stack, server: ApiServer) -> None:
    apart = begun.site.namespace + AGENTS
    agents = [o for o in begun.all if o["kind"] == "DaemonSet" and o["metadata"]["namespace"] == apart]
    ours = {"collector", "dcgm-exporter"} if begun.name == "copies" else {"collector"}
    assert {o["metadata"]["name"] for o in agents} == ({"nvidia-device-plugin"} if begun.name == "prod" else ours)
    for agent in agents:
        assert server.would(pod_of(agent, begun.site.namespace + AGENTS)).accepted
        refusal = server.would(anonymous(pod_of(agent, begun.site.namespace)))
        assert refusal.status == 403
        assert "hostPath" in refusal.message


def test_control_22_it_is_the_labels_that_refuse(server: ApiServer) -> None:
    """Without its labels the namespace would admit the privileged: so they are what is to be watched."""
    [namespace] = [one for one in stack("engines").all if key(one) == "Namespace/slm"]
    unguarded = {**namespace, "metadata": {"name": "unguarded"}}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "unguarded"}}
    [privileged] = [m for m in REFUSED if m.what == "privileged"]
    controller = privileged.broken(stack(privileged.stack).all)
    assert controller is not None
    server.create(unguarded)
    try:
        wait(lambda: server.there(account), "the namespace's service account")
        answer = server.would(anonymous(pod_of(controller, "unguarded")))
        assert answer.accepted, answer.message
    finally:
        server.delete(unguarded)
        wait(lambda: not server.there(unguarded), "the namespace to go", GONE)


def test_a_refusal_is_no_failure_to_ask(server: ApiServer) -> None:
    """What the tests above take for a refusal is one: the same object is accepted when nothing is wrong with it."""
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "asked", "namespace": "default"},
        "data": {},
    }
    assert server.would(config).accepted
    assert not server.there(config)
    assert server.would({**config, "dta": {}}).status == 400
    with pytest.raises(AssertionError, match="unknown field"):
        server.create({**config, "dta": {}})
