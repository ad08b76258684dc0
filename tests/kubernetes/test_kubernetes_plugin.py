"""Pulumi's Kubernetes plugin, as built or downloaded, before a real API server: what a deployment relies on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rehearsal import plugins
from rehearsal.control_plane import ControlPlane
from rehearsal.control_plane.api import Api, Refused
from tests.kubernetes.plugin_project import PluginProject

pytestmark = pytest.mark.kubernetes

SECRET = "correct-horse-battery"

LIFE = """
space = k8s.core.v1.Namespace("space", metadata={"name": NAMESPACE}, opts=on)
inside = {"namespace": space.metadata.name}
settings = k8s.core.v1.ConfigMap(
    "settings", metadata=inside, data={"greeting": config.get("greeting") or "hello"}, opts=on
)
key = k8s.core.v1.Secret(
    "key", metadata={"name": "key", **inside}, string_data={"key": config.require_secret("key")}, opts=on
)
labels = {"app": "server"}
server = k8s.apps.v1.Deployment(
    "server",
    metadata={"name": "server", **inside},
    spec={
        "replicas": config.get_int("replicas") or 1,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": pod(env_from=[{"configMapRef": {"name": settings.metadata.name}}]),
        },
    },
    opts=on,
)
door = k8s.core.v1.Service(
    "door", metadata={"name": "door", **inside}, spec={"selector": labels, "ports": [{"port": 80}]}, opts=on
)
task = k8s.batch.v1.Job(
    "task",
    metadata={"name": "task", **inside},
    spec={"template": {"spec": {**pod(args=[config.get("task") or "one"]), "restartPolicy": "Never"}}},
    opts=on,
)
pulumi.export("settings", settings.metadata.name)
pulumi.export("uid", server.metadata.uid)
"""
EVERYTHING = {"space", "settings", "key", "server", "door", "task"}

FAILURES = """
inside = {"namespace": NAMESPACE}
k8s.core.v1.Pod(
    "privileged",
    metadata=inside,
    spec=pod(securityContext={"privileged": True}),
    opts=on,
)
k8s.core.v1.ConfigMap("taken", metadata={"name": "taken", **inside}, data={"mine": "true"}, opts=on)
labels = {"app": "homeless"}
k8s.apps.v1.Deployment(
    "homeless",
    metadata={"name": "homeless", **inside},
    spec={
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": pod(resources={"limits": {"nvidia.com/gpu": "64"}}),
        },
    },
    opts=on_with(custom_timeouts=pulumi.CustomTimeouts(create="10s")),
)
k8s.batch.v1.Job(
    "failing",
    metadata={"name": "failing", **inside, "annotations": {"pulumi.com/timeoutSeconds": "60"}},
    spec={
        "backoffLimit": 0,
        "template": {
            "metadata": {"annotations": {"rehearsal.slm-stacks/outcome": "fails"}},
            "spec": {**pod(), "restartPolicy": "Never"},
        },
    },
    opts=on,
)
"""

Make = Callable[[str], PluginProject]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real plugins; a test here asks nothing of Azure."""
    folder = tmp_path_factory.mktemp("pulumi-home")
    plugins.prepare(folder, stand_ins=())
    return folder


@pytest.fixture(scope="module")
def make(home: Path, control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """A project with a namespace of its own by that name."""

    def project(namespace: str) -> PluginProject:
        return PluginProject(tmp_path_factory.mktemp(namespace) / "p", home, control_plane.kubeconfig, namespace)

    return project


@pytest.fixture(scope="module")
def api(control_plane: ControlPlane) -> Iterator[Api]:
    with control_plane.premises.api() as client:
        yield client


@pytest.fixture(scope="module")
def life(make: Make) -> PluginProject:
    """A stack that is up. Tests leave it as declared; the last one destroys it."""
    project = make("life")
    project.program(LIFE)
    project.pulumi("config", "set", "--secret", "key", SECRET).must_succeed()
    preview = project.preview()
    assert set(preview) >= EVERYTHING, "previewed before the namespace exists"
    assert SECRET not in json.dumps(preview)
    up = project.up().must_succeed()
    assert SECRET not in up.text
    return project


def test_a_preview_after_a_deployment_shows_nothing(life: PluginProject) -> None:
    assert life.preview() == {}


def test_a_secret_input_is_nowhere_in_the_clear(life: PluginProject) -> None:
    text = life.state() + json.dumps(life.outputs())
    encoded = "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5"
    assert SECRET not in text
    assert encoded not in text, "the API server's form of it"
    in_the_clear = life.pulumi("stack", "export", "--show-secrets").must_succeed().output
    assert encoded in in_the_clear, "the state holds it, encrypted"


def test_a_changed_field_is_updated_in_place(life: PluginProject) -> None:
    before = life.outputs()["uid"]
    life.pulumi("config", "set", "replicas", "2").must_succeed()
    step = life.preview()["server"]
    assert (step["op"], list(step["detailedDiff"])) == ("update", ["spec.replicas"])
    life.up().must_succeed()
    assert life.outputs()["uid"] == before


def test_what_cannot_change_is_replaced_and_its_users_follow(life: PluginProject, api: Api) -> None:
    path = "/apis/batch/v1/namespaces/life/jobs/task"
    settings, task = life.outputs()["settings"], api.get(path)["metadata"]["uid"]
    life.pulumi("config", "set", "greeting", "welcome").must_succeed()
    life.pulumi("config", "set", "task", "two").must_succeed()
    steps = life.preview()
    # The ConfigMap gets a name of its own each time; the Job keeps its name, so the old one goes first.
    assert {name: step["op"] for name, step in steps.items()} == {
        "settings": "replace",
        "server": "update",
        "task": "replace",
    }
    life.up().must_succeed()
    assert life.outputs()["settings"] != settings
    assert api.get(path)["metadata"]["uid"] != task


def test_what_others_change_is_seen_by_a_refresh_and_taken_back_by_a_forced_deployment(
    life: PluginProject, api: Api
) -> None:
    path = "/apis/apps/v1/namespaces/life/deployments/server"
    api.merge(path, {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "other.invalid/1"}]}}}})
    seen = life.pulumi("refresh", "--preview-only", "--diff").must_succeed()
    assert "other.invalid/1" in seen.text
    life.up("--refresh").must_fail('conflict with "python-httpx"', '.spec.template.spec.containers[name="main"].image')
    life.up("--refresh", PULUMI_K8S_ENABLE_PATCH_FORCE="true").must_succeed()
    assert api.get(path)["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.invalid/main:1"


def test_a_destruction_leaves_nothing_even_where_something_is_gone_already(life: PluginProject, api: Api) -> None:
    api.delete("/api/v1/namespaces/life/services/door")
    life.destroy().must_succeed()
    assert json.loads(life.state())["deployment"].get("resources", []) == []
    with pytest.raises(Refused) as refusal:
        api.get("/api/v1/namespaces/life")
    assert refusal.value.reason == "NotFound"


def test_each_failure_is_told_in_the_words_of_whoever_refused_or_gave_up(make: Make, api: Api) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    api.create("/api/v1/namespaces", {"metadata": {"name": "failures", "labels": labels}})
    api.create("/api/v1/namespaces/failures/configmaps", {"metadata": {"name": "taken"}, "data": {"mine": "no"}})
    project = make("failures")
    project.program(FAILURES)
    project.up("--continue-on-error").must_fail(
        'violates PodSecurity "restricted:latest": privileged',  # admission
        'configmaps "taken" already exists',  # the API server
        "[BackoffLimitExceeded] Job has reached the specified backoff limit",  # the Job controller
        # The scheduler's sentence stays with the pod: the plugin does not pass it on.
        "'homeless' timed out waiting to be Ready",
        "[MinimumReplicasUnavailable] Deployment does not have minimum availability",  # the Deployment controller
    )
    assert api.get("/api/v1/namespaces/failures/configmaps/taken")["data"] == {"mine": "no"}
    project.destroy().must_succeed()


def test_a_provider_that_is_told_so_takes_over_what_exists(make: Make, api: Api) -> None:
    api.create("/api/v1/namespaces", {"metadata": {"name": "kept"}})
    body = {"metadata": {"name": "kept", "labels": {"theirs": "stays"}}, "data": {"mine": "no"}}
    kept = api.create("/api/v1/namespaces/kept/configmaps", body)
    project = make("kept")
    project.program("""
        kubeconfig = Path(config.require("kubeconfig")).read_text()
        upsert = k8s.Provider("upsert", kubeconfig=pulumi.Output.secret(kubeconfig), upsert_existing_objects=True)
        k8s.core.v1.ConfigMap(
            "kept",
            metadata={"name": "kept", "namespace": NAMESPACE, "annotations": {"pulumi.com/patchForce": "true"}},
            data={"mine": "yes"},
            opts=pulumi.ResourceOptions(provider=upsert, retain_on_delete=True),
        )
    """)
    project.up().must_succeed()
    now = api.get("/api/v1/namespaces/kept/configmaps/kept")
    assert (now["metadata"]["uid"], now["data"]) == (kept["metadata"]["uid"], {"mine": "yes"})
    assert now["metadata"]["labels"]["theirs"] == "stays"
    project.destroy().must_succeed()
    assert api.get("/api/v1/namespaces/kept/configmaps/kept")["metadata"]["uid"] == kept["metadata"]["uid"]


def test_a_field_that_another_manager_owns_is_a_conflict_that_names_both(make: Make, api: Api) -> None:
    api.create("/api/v1/namespaces", {"metadata": {"name": "conflict"}})
    project = make("conflict")
    program = """
        k8s.core.v1.ConfigMap(
            "shared",
            metadata={
                "name": "shared",
                "namespace": NAMESPACE,
                "labels": {"owner": config.require("owner")},
                "annotations": {"pulumi.com/patchForce": config.get("force") or "false"},
            },
            opts=on,
        )
    """
    project.program(program)
    project.pulumi("config", "set", "owner", "ours").must_succeed()
    project.up().must_succeed()
    theirs = {"name": "shared", "namespace": "conflict", "labels": {"owner": "theirs"}}
    api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": theirs})
    project.pulumi("config", "set", "owner", "ours-again").must_succeed()
    project.up().must_fail('conflict with "rehearsal": .metadata.labels.owner')
    project.pulumi("config", "set", "force", "true").must_succeed()
    project.up().must_succeed()
    assert api.get("/api/v1/namespaces/conflict/configmaps/shared")["metadata"]["labels"] == {"owner": "ours-again"}
    project.destroy().must_succeed()


def test_a_deletion_that_a_finalizer_holds_up_ends_in_time_and_can_be_repeated(make: Make, api: Api) -> None:
    api.create("/api/v1/namespaces", {"metadata": {"name": "held"}})
    project = make("held")
    project.program("""
        k8s.core.v1.ConfigMap(
            "held",
            metadata={"name": "held", "namespace": NAMESPACE, "finalizers": ["test.invalid/hold"]},
            opts=on_with(custom_timeouts=pulumi.CustomTimeouts(delete="5s")),
        )
    """)
    project.up().must_succeed()
    project.destroy().must_fail("finalizers")
    api.merge("/api/v1/namespaces/held/configmaps/held", {"metadata": {"finalizers": None}})
    project.destroy().must_succeed()


def test_an_object_of_a_kind_defined_in_the_same_program(make: Make, api: Api) -> None:
    project = make("kinds")
    project.program("""
        properties = {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}
        definition = k8s.apiextensions.v1.CustomResourceDefinition(
            "definition",
            metadata={"name": "parts.test.invalid"},
            spec={
                "group": "test.invalid",
                "scope": "Namespaced",
                "names": {"plural": "parts", "singular": "part", "kind": "Part"},
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
                    }
                ],
            },
            opts=on,
        )
        k8s.apiextensions.CustomResource(
            "part",
            api_version="test.invalid/v1",
            kind="Part",
            metadata={"name": "part", "namespace": "default"},
            spec={"size": 3},
            opts=on_with(depends_on=[definition]),
        )
    """)
    assert {"definition", "part"} <= set(project.preview())
    project.up().must_succeed()
    assert api.get("/apis/test.invalid/v1/namespaces/default/parts/part")["spec"] == {"size": 3}
    assert project.preview() == {}
    project.destroy().must_succeed()


def test_a_preview_works_while_the_cluster_is_not_there_yet(make: Make) -> None:
    project = make("later")
    project.program("""
        first = k8s.core.v1.Namespace("first", metadata={"name": NAMESPACE}, opts=on)
        # As the kubeconfig of a cluster that is made in the same deployment: unknown until then.
        kubeconfig = pulumi.Output.all(first.metadata.uid).apply(
            lambda _: Path(config.require("kubeconfig")).read_text()
        )
        later = k8s.Provider("later", kubeconfig=pulumi.Output.secret(kubeconfig), cluster_identifier="later")
        labels = {"app": "a"}
        k8s.core.v1.ConfigMap(
            "there",
            metadata={"name": "there", "namespace": NAMESPACE},
            data={"a": "b"},
            opts=pulumi.ResourceOptions(provider=later, depends_on=[first]),
        )
    """)
    assert {"first", "later", "there"} <= set(project.preview())
    project.up().must_succeed()
    assert project.preview() == {}
    project.destroy().must_succeed()


def test_a_cluster_that_does_not_answer_or_does_not_know_us_is_named(make: Make, tmp_path: Path) -> None:
    project = make("nobody")
    project.program('k8s.core.v1.ConfigMap("any", metadata={"namespace": "default"}, opts=on)')
    document: dict[str, Any] = yaml.safe_load(project.kubeconfig.read_text())
    stranger = {**document, "users": [{"name": document["users"][0]["name"], "user": {"token": "wrong"}}]}
    (tmp_path / "stranger").write_text(yaml.safe_dump(stranger))
    project.pulumi("config", "set", "kubeconfig", str(tmp_path / "stranger")).must_succeed()
    project.up().must_fail("the server has asked for the client to provide credentials")
    document["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    (tmp_path / "nowhere").write_text(yaml.safe_dump(document))
    project.pulumi("config", "set", "kubeconfig", str(tmp_path / "nowhere")).must_succeed()
    project.up().must_fail("unreachable", "127.0.0.1:1")
