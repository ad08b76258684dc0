"""Variants of an Ollama engine in a real stack: made by the import job, routed by the gateway, changed and removed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from ops import docker_exec
from tests.docker import fast_stack, tiny_model
from tests.docker.project import Project

pytestmark = pytest.mark.docker

BRIEF = {"system": "Answer with one digit.", "parameters": {"num_predict": 1}}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with fast_stack.declared(tmp_path_factory.mktemp("variants"), "test-variants") as declared:
        set_variants(declared, {"brief-80": BRIEF})
        declared.ops("up").must_succeed()
        yield declared


def set_variants(project: Project, variants: dict[str, Any]) -> None:
    document = yaml.safe_load(project.file.read_text())
    document["config"]["slm:engines"]["chat"]["variants"] = variants
    project.file.write_text(yaml.safe_dump(document, sort_keys=False))


def ask(project: Project, key: str, model: str) -> tuple[str, int]:
    """What it answers, and how many tokens the prompt had."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
    answer = project.request("POST", "/v1/chat/completions", key, json=body)
    assert answer.status_code == 200, answer.text
    document = answer.json()
    return document["choices"][0]["message"]["content"], document["usage"]["prompt_tokens"]


def models(project: Project, key: str) -> list[str]:
    return [m["id"] for m in project.request("GET", "/v1/models", key).json()["data"]]


def test_a_variant_is_served_under_its_own_name_with_its_own_instructions(project: Project) -> None:
    key = next(iter(project.keys().values()))
    assert models(project, key) == [tiny_model.NAME, "brief-80"]
    whole, short = ask(project, key, tiny_model.NAME), ask(project, key, "brief-80")
    assert (whole[0], short[0]) == ("80", "8"), "num_predict is the variant's"
    assert short[1] != whole[1], "its system prompt reaches the model"


def test_a_second_up_changes_nothing(project: Project) -> None:
    before = {name: container.id for name, container in project.containers().items()}
    output = project.ops("up").must_succeed().output
    assert "chat-import" not in output, output
    assert {name: container.id for name, container in project.containers().items()} == before


def test_changed_variants_are_made_and_removed_without_a_pause_of_the_engine(project: Project) -> None:
    key = next(iter(project.keys().values()))
    before = project.containers()["chat"].id
    set_variants(project, {"short-80": BRIEF})
    project.ops("up").must_succeed()
    assert models(project, key) == [tiny_model.NAME, "short-80"]
    assert ask(project, key, "short-80")[0] == "8"
    assert project.containers()["chat"].id == before
    listed = docker_exec.run(project.containers()["chat"], ["ollama", "list"]).output
    assert b"short-80" in listed
    assert b"brief-80" not in listed
    refused = project.request("POST", "/v1/chat/completions", key, json={"model": "brief-80", "messages": []})
    assert refused.status_code == 404
