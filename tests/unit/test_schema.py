"""The exported JSON Schema: fresh, true of the committed stacks, and able to catch a typo in an editor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from components.yaml_file import read
from ops import schema

pytestmark = pytest.mark.unit

PROJECT = Path(__file__).resolve().parents[2]
STACKS = ("dev", "prod", "edge")


def validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads((PROJECT / schema.FILE).read_text(encoding="utf-8")))


def test_the_committed_schema_is_what_the_settings_say() -> None:
    assert schema.run(check=True, project_dir=PROJECT) == 0, "run: make schema"


def test_a_stale_schema_is_noticed_and_written_anew(tmp_path: Path) -> None:
    assert schema.run(check=True, project_dir=tmp_path) == 1
    assert schema.run(project_dir=tmp_path) == 0
    assert schema.run(check=True, project_dir=tmp_path) == 0
    (tmp_path / schema.FILE).write_text("{}")
    assert schema.run(check=True, project_dir=tmp_path) == 1


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema.document())


@pytest.mark.parametrize("stack", STACKS)
def test_the_committed_stacks_satisfy_it_and_point_editors_to_it(stack: str) -> None:
    file = PROJECT / f"Pulumi.{stack}.yaml"
    assert [error.message for error in validator().iter_errors(read(file))] == []
    first = file.read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# yaml-language-server: $schema={schema.FILE}"


def _with(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    document = read(PROJECT / "Pulumi.dev.yaml")
    here = document
    for key in path[:-1]:
        here = here.setdefault(key, {})
    here[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("config", "slm:engins"), {}),
        (("config", "slm:engines", "chat", "paralel"), 2),
        (("config", "slm:engines", "chat", "kind"), "vlm"),
        (("config", "slm:engines", "chat", "parallel"), "two"),
        (("config", "slm:engines", "Chat"), {"kind": "ollama", "target": "laptop", "model": "phi4-mini"}),
        (("config", "slm:targets", "laptop", "kind"), "doker"),
        (("config", "slm:gateway", "port"), 70000),
        (("config", "slm:images"), {"ollama": "ollama/ollama:latest"}),
        (("config", "slm:apiKeys"), {"key-1": "in clear"}),
        (("confg",), {}),
    ],
)
def test_a_typo_or_a_wrong_value_does_not_satisfy_it(path: tuple[str, ...], value: Any) -> None:
    assert list(validator().iter_errors(_with(path, value)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("encryptionsalt",), "v1:abc"),
        (("encryptedkey",), "abc"),
        (("config", "slm:apiKeys"), {"secure": "v1:abc"}),
        (("config", "slm:models"), {"phi4-mini": {"context_length": 8192}}),
        (("config", "pulumi:disable-default-providers"), ["*"]),
    ],
)
def test_what_pulumi_itself_writes_and_partial_models_satisfy_it(path: tuple[str, ...], value: Any) -> None:
    assert [error.message for error in validator().iter_errors(_with(path, value))] == []
