"""Workload refuses what no target could honour."""

import pytest
from pydantic import ValidationError

from components.workload import File, Probe, Resources, Scratch, SecretFile, Volume, Workload

pytestmark = pytest.mark.unit
BASE = {"name": "chat", "image": "sha256:" + "a" * 64, "resources": {"memory_mib": 64, "cpus": 1}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Chat"}, "pattern"),
        ({"name": "a" * 41}, "pattern"),
        ({"name": "chat-"}, "pattern"),
        ({"image": "ollama/ollama:latest"}, "pattern"),
        ({"image": "ollama/ollama@sha256:abc"}, "pattern"),
        ({"port": 8080}, "a service has a port and a probe"),
        ({"probe": {"command": ["true"]}}, "a service has a port and a probe"),
        ({"port": 0, "probe": {"command": ["true"]}}, "greater than or equal to 1"),
        ({"user": 0}, "greater than or equal to 1"),
        ({"gpus": 0.5}, "valid integer"),
        ({"files": [{"name": "a", "content": ""}], "secrets": [{"name": "a", "secret": "s"}]}, "file used twice: a"),
        ({"scratch": [{"path": "/tmp"}, {"path": "/tmp"}]}, "mount path used twice: /tmp"),
        ({"scratch": [{"path": "/a/../etc"}]}, r"must not contain '\.\.'"),
        ({"scratch": [{"path": "tmp"}]}, "pattern"),
        ({"files": [{"name": "../x", "content": ""}]}, "pattern"),
        ({"reload_signal": "9"}, "pattern"),
        ({"replicaz": 2}, "Extra inputs are not permitted"),
    ],
)
def test_a_bad_workload_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Workload.model_validate(BASE | changes)


def test_a_workload_cannot_be_changed_after_it_was_checked() -> None:
    workload = Workload.model_validate(BASE)
    with pytest.raises(ValidationError, match="frozen"):
        workload.name = "other"  # type: ignore[misc]


def test_without_a_probe_it_is_a_job_and_with_one_a_service() -> None:
    job = Workload.model_validate(BASE)
    service = job.model_copy(update={"port": 80, "probe": Probe(command=("true",))})
    assert job.is_job
    assert not service.is_job


def test_a_volume_can_be_filled_by_jobs() -> None:
    job = Workload(name="fetch", image="sha256:" + "b" * 64, resources=Resources(memory_mib=64, cpus=1), egress=True)
    volume = Volume(name="models", path="/models", size_gib=1, fill=(job,))
    assert volume.fill[0].egress
    assert volume.read_only


def test_files_secrets_and_scratch_are_plain_values() -> None:
    assert File(name="a.conf", content="x") == File(name="a.conf", content="x")
    assert SecretFile(name="key", secret="gateway-keys").secret == "gateway-keys"
    assert not Scratch(path="/tmp").executable
