"""Ten broken states of a review stack, with the real Pulumi engine: nothing stays, or a person is told what to do.

(One more, an object whose finalizer nobody ends, takes a real API server: tests/kubernetes/test_sweep_finalizer.py.)
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docker.sweep_states import FIRST, PASSPHRASE, Site, of_cluster, site

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module", autouse=True)
def passphrase() -> Iterator[None]:
    before = {k: os.environ.pop(k, None) for k in ("PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_BACKEND_URL")}
    os.environ["PULUMI_CONFIG_PASSPHRASE"] = PASSPHRASE
    yield
    os.environ.pop("PULUMI_CONFIG_PASSPHRASE")
    os.environ.update({k: v for k, v in before.items() if v is not None})


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("sweep")) as found:
        yield found


@pytest.fixture(scope="module")
def model(here: Site) -> str:
    """A stack that was really made, whose state the others are given under their own names."""
    return here.made(FIRST)


def dead_lock(here: Site, stack: str, **holder: Any) -> None:
    folder = here.state / ".pulumi/locks/organization/slm" / stack
    folder.mkdir(parents=True, exist_ok=True)
    held = {"pid": 1, "username": "runner", "hostname": socket.gethostname(), "timestamp": "2026-11-27T01:00:00Z"}
    (folder / "one.json").write_text(json.dumps({**held, **holder}))


def test_half_created_goes_with_what_was_made_and_with_its_kept_volume(here: Site) -> None:
    stack = here.made(FIRST + 1, fails=True)
    assert here.left(stack)
    outcome = here.remove(stack)
    assert outcome.todo == []
    assert here.left(stack) == []


def test_a_program_that_cannot_be_imported_does_not_matter(here: Site, model: str) -> None:
    stack = here.like(model, FIRST + 2)
    before = (here.folder / "__main__.py").read_text()
    (here.folder / "__main__.py").write_text("import a_module_that_was_removed\n")
    try:
        assert here.remove(stack).todo == []
    finally:
        (here.folder / "__main__.py").write_text(before)
    assert here.left(stack) == []


def test_pending_operations_leave_nothing_that_pulumi_does_not_know(here: Site, model: str) -> None:
    stack = here.like(model, FIRST + 3)
    here.client.networks.create(f"slm-{stack}-unknown", labels={"slm.stack": stack})
    path = here.state / f".pulumi/stacks/slm/{stack}.json"
    document = json.loads(path.read_text())
    latest = document["checkpoint"]["latest"]
    row = next(r for r in latest["resources"] if r["type"].endswith(":Network"))
    pending = {**json.loads(json.dumps(row).replace("-net", "-unknown").replace("::net", "::unknown")), "id": ""}
    latest["pending_operations"] = [{"resource": pending, "type": "creating"}]
    path.write_text(json.dumps(document))
    outcome = here.remove(stack)
    assert outcome.todo == []
    assert f"removed network slm-{stack}-unknown" in outcome.did
    assert here.left(stack) == []


def test_the_lock_of_a_dead_job_is_taken_away_and_that_of_a_living_one_respected(here: Site, model: str) -> None:
    stack = here.like(model, FIRST + 4)
    dead_lock(here, stack, hostname="runner-7", timestamp="2099-01-01T00:00:00Z")
    (told,) = here.remove(stack).todo
    assert "process 1 of runner on runner-7" in told
    assert f"slm-{stack}-net" in here.left(stack)
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    dead_lock(here, stack, pid=ended.pid)
    outcome = here.remove(stack)
    assert outcome.todo == []
    assert any("took away the lock" in line for line in outcome.did)
    assert here.left(stack) == []


def test_a_lost_passphrase_keeps_nothing_on_docker(here: Site, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = here.like(model, FIRST + 5)
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "another")
    outcome = here.remove(stack)
    assert outcome.todo == []
    assert any("Pulumi could not remove it" in line for line in outcome.did)
    assert here.left(stack) == []


def test_a_lost_passphrase_elsewhere_is_told_with_what_is_still_there(
    here: Site, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = here.holds(FIRST + 6, of_cluster(f"pr-{FIRST + 6}", here.sealed(model)))
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "another")
    told = "\n".join(here.remove(stack).todo)
    assert "passphrase" in told
    assert f"ConfigMap settings in namespace slm-{stack}" in told
    assert here.remove(stack, forget=True).todo == []
    assert here.left(stack) == []


def test_a_cluster_that_is_gone_is_told_and_forgotten_when_somebody_says_so(here: Site) -> None:
    stack = here.holds(FIRST + 7, of_cluster(f"pr-{FIRST + 7}"))
    told = "\n".join(here.remove(stack).todo)
    assert "its cluster does not answer" in told
    assert f"FORGET={stack}" in told
    assert f"settings in namespace slm-{stack}" in told
    outcome = here.remove(stack, forget=True)
    assert outcome.todo == []
    assert any(f"settings in namespace slm-{stack}" in line for line in outcome.did)
    assert here.left(stack) == []


def test_a_host_that_is_gone_is_told_and_forgotten_when_somebody_says_so(here: Site, model: str) -> None:
    def elsewhere(deployment: dict[str, Any]) -> None:
        for row in deployment["resources"]:
            if row["type"] == "pulumi:providers:docker":
                row["inputs"]["host"] = row["outputs"]["host"] = "ssh://nobody@127.0.0.1:9"

    stack = here.like(model, FIRST + 8, elsewhere)
    told = "\n".join(here.remove(stack).todo)
    assert "its Docker host does not answer" in told
    assert f"still there: network slm-{stack}-net" in told
    assert here.remove(stack, forget=True).todo == []
    assert f"{stack}.json" not in here.left(stack)


def test_another_machines_own_engine_is_never_taken_for_this_ones(here: Site, model: str) -> None:
    stack = here.like(model, FIRST + 9)
    (told,) = here.remove(stack, told={"host": "runner-7"}).todo
    assert "runs on the Docker engine of machine runner-7" in told
    assert f"slm-{stack}-net" in here.left(stack)
    assert here.remove(stack, told={"host": socket.gethostname()}).todo == []


def test_what_is_protected_stays_and_is_named_with_the_command_that_lets_it_go(here: Site, model: str) -> None:
    def protect(deployment: dict[str, Any]) -> None:
        for row in deployment["resources"]:
            row["protect"] = row["type"].endswith(":Network")

    stack = here.like(model, FIRST + 10, protect)
    (told,) = here.remove(stack).todo
    assert f"network slm-{stack}-net is protected: pulumi state unprotect 'urn:pulumi:{stack}::" in told
    here.pulumi("state", "unprotect", "--all", "--yes", stack=stack)
    assert here.remove(stack).todo == []
    assert here.left(stack) == []


def test_a_state_of_a_newer_plugin_keeps_nothing_on_docker(here: Site, model: str) -> None:
    def newer(deployment: dict[str, Any]) -> None:
        for row in deployment["resources"]:
            if row["type"] == "pulumi:providers:docker":
                row["inputs"]["version"] = row["outputs"]["version"] = "99.1.2"

    stack = here.like(model, FIRST + 11, newer)
    outcome = here.remove(stack)
    assert outcome.todo == []
    assert here.left(stack) == []


def test_a_state_of_a_newer_pulumi_is_told_and_hides_no_other_stack(here: Site, model: str) -> None:
    stack = here.like(model, FIRST + 12)
    path = here.state / f".pulumi/stacks/slm/{stack}.json"
    path.write_text(path.read_text().replace('"version":3', '"version":99', 1))
    assert {model, stack} <= {one.name for one in here.listed()}
    told = "\n".join(here.remove(stack).todo)
    assert "newer Pulumi" in told
    assert f"slm-{stack}-net" in here.left(stack)
    path.unlink()
    assert model in {one.name for one in here.listed()}


def test_nothing_of_the_model_itself_was_touched(here: Site, model: str, tmp_path: Path) -> None:
    assert f"slm-{model}-net" in here.left(model)
    assert here.remove(model).todo == []
    assert here.left(model) == []
