"""Whether a host's processor and GPUs are what the stack's images and engines need; found before anything changes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import docker.errors
import pytest
import yaml
from docker import DockerClient

from components.catalog import catalog
from components.settings import Settings, load
from components.targets.spec import Docker
from ops.errors import UserError
from ops.fleet import preflight
from ops.hosts import images as host_images
from ops.hosts import remote as remote_host
from ops.hosts.facts import HostFacts
from ops.hosts.images import here, offers
from ops.images import delivery
from ops.machine import Machine
from tests.unit.settings_base import HOST_KEY
from tests.unit.test_fleet_rollout import described, key
from tests.unit.test_remote_host import INFO, facts, judged

pytestmark = pytest.mark.unit

OTHER, OTHER_MACHINE = ("arm64", "aarch64") if here() == "amd64" else ("amd64", "x86_64")
OWN = "registry.example.org/haproxy:3.4.4@sha256:" + "c" * 64
CDI = {"Source": "cdi", "ID": "nvidia.com/gpu=0"}
RUNTIME_HOOK, CDI_HOOK = "nvidia-container-runtime-hook", "nvidia-cdi-hook"


class Images:
    """The images of an engine: those it has by name, with their architecture, and what registries say of others."""

    def __init__(self, held: Mapping[str, str], published: Mapping[str, list[str]]) -> None:
        self.held, self.published, self.asked = held, published, list[str]()

    def get(self, image: str) -> Any:
        if image not in self.held:
            raise docker.errors.ImageNotFound(image)
        return SimpleNamespace(attrs={"Architecture": self.held[image]}, id=image)

    def get_registry_data(self, image: str) -> Any:
        self.asked.append(image)
        if image not in self.published:
            raise docker.errors.APIError("no such host")
        found = [{"os": "linux", "architecture": one} for one in self.published[image]]
        return SimpleNamespace(attrs={"Platforms": [*found, {"os": "unknown", "architecture": "unknown"}]})


def engine(images: Images | None = None, architecture: str = "x86_64") -> DockerClient:
    own = images or Images({}, {})
    return cast("DockerClient", SimpleNamespace(images=own, info=lambda: {"Architecture": architecture}))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    described(tmp_path)
    return remote_settings(tmp_path)


def remote_settings(folder: Path) -> Settings:
    return load("edge.h1", folder)


def published(settings: Settings, **own: str) -> Settings:
    """The settings with an image of a registry for every role."""
    images = {role: f"registry.example.org/{role}:1@sha256:{'b' * 64}" for role in settings.roles()}
    return settings.model_copy(update={"images": {**images, **own}})


def test_images_built_here_do_not_run_on_another_architecture(settings: Settings) -> None:
    (said,) = judged(settings, machine=OTHER_MACHINE)
    assert f"the host is {OTHER}" in said
    assert "fetch" in said
    assert f"built on this machine, which is {here()}" in said
    assert f"fix:  run the command on a machine that is {OTHER}" in said


def told(settings: Settings, machine: str, offered: host_images.Offers) -> list[str]:
    return [str(error) for error in host_images.unfit(settings, machine, offered)]


def test_published_images_are_right_where_they_exist_for_the_hosts_architecture(settings: Settings) -> None:
    own = published(settings)
    both = {role: frozenset({"amd64", "arm64"}) for role in own.roles()}
    assert told(own, OTHER_MACHINE, both) == []
    assert told(own, OTHER_MACHINE, {**both, "haproxy": frozenset({OTHER})}) == []
    (said,) = told(own, OTHER_MACHINE, {**both, "haproxy": frozenset({here()})})
    assert f"the host is {OTHER}, and published images do not exist for it (haproxy: {here()})" in said
    assert f"fix:  name images for {OTHER} in slm:images" in said


def test_a_registry_that_says_nothing_matters_only_to_a_host_unlike_this_machine(settings: Settings) -> None:
    own = published(settings)
    silent = dict.fromkeys(own.roles())
    assert told(own, here(), silent) == [], "what it cannot pull comes from here"
    (said,) = told(own, OTHER_MACHINE, silent)
    assert "no registry answers it for the images of" in said
    assert "give the host a way to the registry" in said


def test_the_hosts_own_engine_asks_and_each_silent_registry_only_once(settings: Settings) -> None:
    own = published(settings, haproxy=OWN)
    silent = Images({}, {})
    assert set(offers(engine(silent), own, OTHER).values()) == {None}
    assert len(silent.asked) == 1
    told = Images({}, {image: ["amd64", "arm64"] for image in own.images.values()})
    assert offers(engine(told), own, OTHER) == {role: {"amd64", "arm64"} for role in own.roles()}


def test_what_a_host_has_already_is_seen_and_not_asked_for(settings: Settings) -> None:
    own = published(settings)
    there = Images(dict.fromkeys(own.images.values(), "arm64"), {})
    assert offers(engine(there), own, "arm64") == {role: {"arm64"} for role in own.roles()}
    assert there.asked == []


def test_a_host_like_this_machine_asks_for_nothing_that_the_catalogue_pins(settings: Settings) -> None:
    pinned = {role: row.pinned for role, row in catalog().images.items() if row.pinned and role in settings.roles()}
    assert pinned, "this test needs a role with a pin"
    images = Images({}, {})
    assert offers(engine(images), settings.model_copy(update={"images": pinned}), here()) == {}
    assert images.asked == []
    named = settings.model_copy(update={"images": {**pinned, "haproxy": OWN}})
    assert offers(engine(images), named, here()) == {"haproxy": None}
    assert set(offers(engine(images), named, OTHER)) == set(pinned), "another host must know"


def test_from_a_bundle_no_registry_is_asked(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_images.loaded, "is_loaded", lambda: True)
    assert offers(engine(), published(settings), here()) == {}


def test_an_image_of_this_machine_is_compared_with_the_hosts_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    local = engine(Images({"sha256:a": "arm64"}, {}))
    monkeypatch.setattr(delivery.docker_client, "connect", lambda: local)
    assert delivery.runs_there(engine(architecture="aarch64"), "sha256:a")
    assert not delivery.runs_there(engine(architecture="x86_64"), "sha256:a")


@pytest.mark.parametrize(
    ("info", "changes", "words"),
    [
        ({}, {}, "has neither the nvidia runtime nor a GPU by CDI"),
        # That an engine has CDI says nothing of GPUs.
        ({"CDISpecDirs": ["/etc/cdi"]}, {}, "has neither the nvidia runtime nor a GPU by CDI"),
        ({"DiscoveredDevices": [{"Source": "cdi", "ID": "example.com/net=0"}]}, {}, "nor a GPU by CDI"),
        ({"DiscoveredDevices": [CDI]}, {}, f"finds no {CDI_HOOK}"),
        ({"DiscoveredDevices": [CDI], "ServerVersion": "28.3.2"}, {"nvidia": {CDI_HOOK}}, "is version 28.3.2"),
        ({"Runtimes": {"nvidia": {}}}, {"gpus": 0}, "its NVIDIA driver has 0"),
    ],
)
def test_an_engine_that_gives_no_gpu_is_told_with_its_fix(
    settings: Settings, info: dict[str, Any], changes: dict[str, Any], words: str
) -> None:
    (said,) = gpu_judged(settings, 1, info, changes)
    assert words in said
    assert "fix:" in said
    assert gpu_judged(settings, 0, info, changes) == [], "a host without GPUs is not asked for any"


@pytest.mark.parametrize(
    ("info", "changes"),
    [
        ({"Runtimes": {"nvidia": {}}}, {}),
        ({"Runtimes": {"nvidia": {}}}, {"gpus": 4}),
        ({}, {"nvidia": {RUNTIME_HOOK}}),
        ({"DiscoveredDevices": [CDI]}, {"nvidia": {CDI_HOOK}, "gpus": 2}),
    ],
)
def test_an_engine_that_gives_gpus_is_no_obstacle(
    settings: Settings, info: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert gpu_judged(settings, 2, info, changes) == []


def test_more_gpus_than_the_driver_has_are_told(settings: Settings) -> None:
    (said,) = gpu_judged(settings, 2, {"Runtimes": {"nvidia": {}}}, {"gpus": 1})
    assert "described with 2 GPUs, and its NVIDIA driver has 1" in said


def gpu_judged(settings: Settings, gpus: int, info: dict[str, Any], changes: dict[str, Any]) -> list[str]:
    told = {**changes, "nvidia": frozenset(changes.get("nvidia", ()))}
    found = facts(**told)
    spec = Docker(host="ssh://slm@192.0.2.1:22", host_key=HOST_KEY, gpus=gpus)
    return [str(error) for error in remote_host.judged(spec, settings, {**INFO, **info}, found, 1.0, set())]


class Answers:
    """A tunnel and an engine behind it that both answer."""

    url = "unix:///nowhere"

    def __init__(self, _spec: object) -> None:
        self.volumes = self.containers = SimpleNamespace(list=lambda **_: [])
        self.images = Images({}, {})

    def __enter__(self) -> Answers:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def info(self) -> dict[str, Any]:
        return INFO


@pytest.mark.parametrize(
    ("wrong", "words", "fix"),
    [
        ({"skew": -7200.0}, "its clock is 7200 s behind", "timedatectl set-ntp true"),
        ({"machine": OTHER_MACHINE}, f"the host is {OTHER}", f"on a machine that is {OTHER}"),
    ],
)
def test_such_a_host_is_left_out_and_the_others_are_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], words: str, fix: str
) -> None:
    described(tmp_path)
    file = tmp_path / "Pulumi.edge.yaml"
    document = yaml.safe_load(file.read_text())
    document["config"]["slm:fleet"]["hosts"]["h2"] = {"address": "192.0.2.2", "host_key": key(2)}
    file.write_text(yaml.safe_dump(document))
    monkeypatch.setattr(preflight, "Tunnel", Answers)
    monkeypatch.setattr(docker, "DockerClient", lambda **_: Answers(None))
    monkeypatch.setattr(preflight, "images_missing", lambda *_: 0)

    def gathered(spec: Any, _root: str) -> HostFacts:
        return facts(**(wrong if "192.0.2.2" in spec.host else {}))

    monkeypatch.setattr(remote_host, "gather", gathered)
    fleet = load("edge", tmp_path).fleet
    assert fleet is not None
    found = preflight.check("edge", ["h1", "h2"], tmp_path, 2, fleet)
    assert [(one.host, one.ready) for one in found] == [("h1", True), ("h2", False)]
    failure = found[1].failures[0]
    assert words in failure.what
    assert fix in (failure.fix or "")


def test_the_same_stops_a_deployment_to_one_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described(tmp_path)
    settings = remote_settings(tmp_path)
    monkeypatch.setattr(remote_host, "gather", lambda *_: facts(skew=3600.0))
    spec = cast("Any", settings.targets[settings.gateway.target])
    with pytest.raises(UserError, match="its clock is 3600 s ahead"):
        remote_host.require(cast("DockerClient", Answers(None)), spec, Machine("edge.h1", tmp_path), settings)
