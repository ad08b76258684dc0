"""What the stack's file lists is taken over by the resource it names, and by no other."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pytest
from pulumi import ResourceOptions, ResourceTransformationArgs
from pulumi.runtime import MockResourceArgs

from components.adopting import Adopting
from components.settings.adoption import Adoption
from tests.program.conftest import Run
from tests.program.recorder import Recorder

pytestmark = pytest.mark.program


@dataclass
class ImportRecorder(Recorder):
    """A recorder that keeps which id the engine was asked to import for which resource."""

    imported: dict[str, str] = field(default_factory=dict)

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        if args.resource_id:
            self.imported[args.name] = args.resource_id
        return super().new_resource(args)


def listed(*entries: dict[str, object]) -> dict[str, str]:
    return {"slm:adopt": json.dumps(entries)}


def test_the_named_resource_gets_the_id_and_no_other_does(run_program: Run) -> None:
    recorder = ImportRecorder()
    run_program(config=listed({"resource": "laptop-internal", "id": "an-id"}), recorder=recorder)
    assert recorder.imported == {"laptop-internal": "an-id"}
    recorder = ImportRecorder()
    run_program(recorder=recorder)
    assert recorder.imported == {}


def test_what_is_to_be_ignored_comes_to_what_is_ignored_already(run_program: Run) -> None:
    adopting = Adopting([Adoption(resource="a", id="x", ignore=("labels",))])
    made: list[pulumi.CustomResource] = []
    run_program(declaring=lambda: made.append(pulumi.CustomResource("t:i:T", "a", {})))
    given = ResourceOptions(ignore_changes=["count"])
    changed = adopting.transform(ResourceTransformationArgs(made[0], "t:i:T", "a", {}, given))
    assert changed is not None
    assert (changed.opts.import_, changed.opts.ignore_changes) == ("x", ["count", "labels"])
    assert (given.import_, given.ignore_changes) == (None, ["count"])
    adopting.require_all_met()


def test_an_entry_that_names_nothing_ends_the_program(run_program: Run) -> None:
    with pytest.raises(pulumi.RunError, match="no resource chat, nowhere"):
        # "chat" is a component: it has no id.
        run_program(config=listed({"resource": "nowhere", "id": "x"}, {"resource": "chat", "id": "x"}))
