"""The workflows are thin and careful: make targets only, pinned actions, few permissions, no secret for a fork."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.review.rules import Rules
from tests.unit.test_docs import make_targets

pytestmark = pytest.mark.unit
PROJECT = Path(__file__).resolve().parents[2]
FILES = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
PINS = {
    "actions/checkout": "3d3c42e5aac5ba805825da76410c181273ba90b1",
    "actions/upload-artifact": "bbbca2ddaa5d8feaa63e36b76fdaad77386f024f",
    "actions/download-artifact": "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c",
    "azure/login": "f5d393ae46f8fde4be8b75f32e3fc50e654ad0ca",
}
"""Looked up in the repositories' own tags: v7.0.1, v7.0.0, v8.0.1, v3.0.1. A new one is a reviewed change of both."""

MAY = {
    "checks/lint": {"contents": "read"},
    "checks/test": {"contents": "read"},
    "preview/static": {"contents": "read"},
    "preview/report": {"contents": "read", "id-token": "write", "pull-requests": "write"},
    "review/up": {"contents": "read", "id-token": "write", "pull-requests": "write"},
    "review/down": {"contents": "read", "id-token": "write", "pull-requests": "write"},
    "deploy/plan": {"contents": "read", "id-token": "write"},
    "deploy/deploy": {"contents": "read", "id-token": "write"},
    "drift/drift": {"contents": "read", "id-token": "write", "issues": "write"},
    "sweep/sweep": {"contents": "read", "id-token": "write", "issues": "write", "pull-requests": "read"},
}
"""What the token of each job may, and no more."""

SAME_REPOSITORY = "github.event.pull_request.head.repo.full_name == github.repository"


def workflow(path: Path) -> dict[str, Any]:
    # A loader that keeps `on` a word: YAML 1.1 takes it for true.
    found: dict[str, Any] = yaml.load(path.read_text(), Loader=yaml.BaseLoader)
    return found


JOBS = {f"{path.stem}/{name}": job for path in FILES for name, job in workflow(path)["jobs"].items()}
STEPS = [(name, step) for name, job in JOBS.items() for step in job["steps"]]
RUNS = [(name, step["run"]) for name, step in STEPS if "run" in step]


def triggers(path: Path) -> dict[str, Any]:
    on = workflow(path)["on"]
    return dict(on) if isinstance(on, dict) else dict.fromkeys([on] if isinstance(on, str) else on)


def test_every_job_is_known_here() -> None:
    assert set(JOBS) == set(MAY)


@pytest.mark.parametrize(("job", "command"), RUNS, ids=[f"{job}: {command[:30]}" for job, command in RUNS])
def test_every_step_is_one_make_target_that_exists(job: str, command: str) -> None:
    found = re.fullmatch(r'make ([a-z-]+)(?: [A-Z]+=(?:[\w./-]+|"[\w/$]+"))*', command)
    assert found, f"{job}: '{command}' is more than one make command"
    assert found.group(1) in make_targets()


@pytest.mark.parametrize(("job", "command"), RUNS, ids=[f"{job}: {command[:30]}" for job, command in RUNS])
def test_nothing_that_a_stranger_writes_is_put_into_a_shell(job: str, command: str) -> None:
    assert "${{" not in command, f"{job}: give it in env"


def test_what_a_target_is_given_is_what_its_help_says() -> None:
    text = (PROJECT / "Makefile").read_text()
    recipes = {m[1]: m[2] for m in re.finditer(r"^([a-z-]+):[^\n]*\n((?:\t[^\n]*\n)+)", text, re.M)}
    exported = set(re.findall(r"[A-Z_]+", re.findall(r"^export (.*)$", text, re.M)[0]))
    for job, command in RUNS:
        target = command.split()[1]
        for variable in re.findall(r" ([A-Z]+)=", command):
            assert f"$({variable})" in recipes[target] or variable in exported, f"{job}: {target} ignores {variable}"


@pytest.mark.parametrize("job", JOBS)
def test_every_action_is_pinned_by_the_commit_that_was_looked_up(job: str) -> None:
    for step in JOBS[job]["steps"]:
        if "uses" in step:
            action, _, sha = step["uses"].partition("@")
            assert PINS[action] == sha


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_version_of_each_pin_stands_beside_it(path: Path) -> None:
    for line in path.read_text().splitlines():
        if "uses:" in line:
            assert re.search(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_token_may_anything_that_its_job_does_not_name(path: Path) -> None:
    assert workflow(path)["permissions"] == {}
    for name, job in workflow(path)["jobs"].items():
        assert job["permissions"] == MAY[f"{path.stem}/{name}"]


def test_only_jobs_that_log_in_to_azure_get_an_identity() -> None:
    for name, job in JOBS.items():
        logs_in = any(step.get("uses", "").startswith("azure/login@") for step in job["steps"])
        assert logs_in == ("id-token" in job["permissions"]), name


def test_there_is_no_long_lived_key_anywhere() -> None:
    for path in FILES:
        text = path.read_text()
        assert "secrets." not in text, path.name
        assert "creds:" not in text, path.name
    for _, step in STEPS:
        if step.get("uses", "").startswith("azure/login@"):
            assert set(step["with"]) == {"client-id", "tenant-id", "subscription-id"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_workflow_runs_a_forks_code_with_this_repositorys_rights(path: Path) -> None:
    assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(triggers(path))
    for name, job in workflow(path)["jobs"].items():
        powerful = set(job["permissions"]) - {"contents"}
        if "pull_request" in triggers(path) and powerful:
            assert SAME_REPOSITORY in job["if"], f"{path.stem}/{name} would do more for a fork than read"
        if set(triggers(path)) - {"pull_request"} and powerful:
            assert "needs" in job or "refs/heads/main" in job["if"], f"{path.stem}/{name} runs for any branch"


def test_checkouts_leave_no_token_behind() -> None:
    for name, step in STEPS:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] == "false", name


def test_a_stack_is_changed_by_one_job_at_a_time_and_none_is_cut_off() -> None:
    groups = {path.stem: workflow(path)["concurrency"] for path in FILES}
    assert groups["review"] == {"group": "stack-pr-${{ github.event.number }}", "cancel-in-progress": "false"}
    assert groups["deploy"] == {"group": "stack-prod", "cancel-in-progress": "false"}
    assert groups["sweep"]["cancel-in-progress"] == groups["drift"]["cancel-in-progress"] == "false"
    assert len({group["group"] for group in groups.values()}) == len(groups)


def test_production_waits_for_a_person_and_does_what_was_previewed() -> None:
    deploy = JOBS["deploy/deploy"]
    assert deploy["environment"] == "production"
    assert deploy["needs"] == "plan"
    assert [run for name, run in RUNS if name == "deploy/plan"] == ["make preview STACK=prod PLAN=plan.json"]
    assert next(run for name, run in RUNS if name == "deploy/deploy") == "make up STACK=prod PLAN=plan.json"
    ids = [s["with"]["client-id"] for n, s in STEPS if n.startswith("deploy/") and "client-id" in s.get("with", {})]
    assert ids == ["${{ vars.AZURE_CLIENT_ID_PREVIEW }}", "${{ vars.AZURE_CLIENT_ID_DEPLOY }}"]


def test_every_job_ends_and_a_review_stacks_lock_outlives_no_job() -> None:
    for name, job in JOBS.items():
        minutes = int(job["timeout-minutes"])
        assert minutes <= 120, name
        if name.startswith(("review/", "sweep/")):
            assert minutes < Rules().lock_hours * 60, f"{name} might still be at work when its lock counts as dead"
    assert Rules().destroy_minutes < int(JOBS["review/down"]["timeout-minutes"])


def test_the_label_the_nights_and_the_end_are_where_they_should_be() -> None:
    by_name = {path.stem: path for path in FILES}
    assert triggers(by_name["review"])["pull_request"]["types"] == [
        "labeled", "unlabeled", "synchronize", "reopened", "closed",
    ]  # fmt: skip
    assert {name for name, path in by_name.items() if "schedule" in triggers(path)} == {"drift", "sweep"}
    down = JOBS["review/down"]["steps"][0]["with"]["ref"]
    assert down == "${{ github.event.repository.default_branch }}", "a closed branch may be gone"
