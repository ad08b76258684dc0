"""What a preview says is read as it is, and what is secret in it is not shown."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from ops.errors import UserError
from ops.previewed import parse, preview
from ops.pulumi_cli import Result
from policies.plain import MARK, SECRET, UNKNOWNS, plain

pytestmark = pytest.mark.unit

URN = "urn:pulumi:prod::slm::slm:engine:vllm$kubernetes:core/v1:PersistentVolumeClaim::chat-weights"
SAID = {
    "config": {"slm:x": "[secret]"},
    "steps": [
        {
            "op": "replace",
            "urn": URN,
            "provider": "urn:…",
            "oldState": {"urn": URN, "custom": True, "id": "ns/chat", "protect": True, "inputs": {"size": "1Gi"}},
            "newState": {"urn": URN, "inputs": {"size": "2Gi"}, "retainOnDelete": True, "parent": "urn:p"},
            "replaceReasons": ["size"],
            "diffReasons": ["size"],
            "detailedDiff": {"spec.size": {"kind": "UPDATE_REPLACE", "inputDiff": True}},
        },
        {"op": "same", "urn": "urn:pulumi:prod::slm::pulumi:pulumi:Stack::slm-prod", "diffReasons": None},
    ],
    "diagnostics": [{"message": "error: oh", "severity": "error"}],
    "duration": 12,
    "changeSummary": {"replace": 1, "same": 1},
}


def test_a_preview_is_read_with_what_was_said_around_it() -> None:
    found = parse(f"warning: A new version\n{json.dumps(SAID)}\nmore")
    (step,) = found.changes
    assert (step.op, step.type, step.name) == ("replace", "kubernetes:core/v1:PersistentVolumeClaim", "chat-weights")
    assert step.fields == ("spec.size",)
    assert step.old_state is not None
    assert step.new_state is not None
    assert (step.old_state.protect, step.old_state.id, step.new_state.retain_on_delete) == (True, "ns/chat", True)
    assert found.change_summary == {"replace": 1, "same": 1}
    assert found.diagnostics[0].message == "error: oh"


def test_nothing_to_say_is_a_preview_without_steps() -> None:
    assert parse('{"steps": null, "changeSummary": null}').steps == ()


@pytest.mark.parametrize("said", ["", "error: no stack", '{"steps": 3}', "}{", '{"steps": [{"op": "same"}]}'])
def test_what_is_no_preview_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="no preview"):
        parse(said)


def pulumi(code: int, output: str) -> Any:
    return SimpleNamespace(machine=SimpleNamespace(stack="prod"), run=lambda *_: Result(code, output))


def test_a_preview_that_fails_is_told_by_its_errors() -> None:
    assert preview(pulumi(0, json.dumps(SAID))).change_summary["replace"] == 1
    with pytest.raises(UserError, match="error: oh"):
        preview(pulumi(255, json.dumps(SAID)))
    with pytest.raises(UserError, match="no such command"):
        preview(pulumi(1, "no such command"))


def test_what_is_secret_or_not_known_yet_is_named_so_at_any_depth() -> None:
    secret = {MARK: SECRET, "ciphertext": "v1:hidden"}
    asset = {MARK: "0def7320c3a5731c473e5ecbe6d01bc7", "text": "x"}
    for unknown in UNKNOWNS:
        given = {"a": [secret, unknown, 1], "b": (asset,)}
        assert plain(given) == {"a": ["[secret]", "[unknown]", 1], "b": ["[file]"]}
