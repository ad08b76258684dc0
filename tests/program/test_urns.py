"""No resource of a released stack changes its name in the state: it would be deleted and made anew."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pulumi
import pytest
from pulumi import Alias, ComponentResource, ResourceOptions

from components.settings import load
from tests.program import urns
from tests.program.conftest import PROJECT, Run
from tests.program.urns import UrnRecorder, lost

pytestmark = pytest.mark.program

STACKS = ("dev", "engines", "engines-gemma", "prod", "edge.berlin-1")
Declared = Callable[[Callable[[], object]], UrnRecorder]
SECRETS = {"slm:cert": "certificate", "slm:cert-key": "private key"}


@pytest.fixture(autouse=True)
def passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The committed fleet is production, whose passphrase must be a strong one."""
    (tmp_path / "passphrase").write_text("correct horse battery staple, and 7 more words\n")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)


def images(stack: str) -> dict[str, str]:
    settings = load(stack, PROJECT)
    roles = [*settings.roles(), *settings.optional_roles()]
    here = "docker.io/slm/{}@sha256:" if stack == "prod" else "sha256:"
    return {role: settings.images.get(role, here.format(role) + "a" * 64) for role in roles}


def test_every_committed_stack_has_a_list() -> None:
    files = {path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in PROJECT.glob("Pulumi.?*.yaml")}
    assert {stack.partition(".")[0] for stack in STACKS} == files
    assert sorted(path.stem for path in urns.GOLDEN.glob("*.txt")) == sorted(STACKS)


@pytest.mark.parametrize("stack", STACKS)
def test_no_name_of_a_released_stack_is_lost(run_program: Run, stack: str) -> None:
    own = load(stack, PROJECT).monitoring
    # The fixture takes the laptop's monitoring away.
    config = {"slm:images": json.dumps(images(stack)), **(SECRETS if "." in stack else {})}
    if own and stack == "dev":
        config["slm:monitoring"] = json.dumps({"target": own.target})
        config["slm:monitoringSecrets"] = json.dumps(
            {"grafana-admin-password": "p" * 24, "grafana-secret-key": "s" * 32}
        )
    recorder = run_program(stack, config, recorder=UrnRecorder())
    assert isinstance(recorder, UrnRecorder)
    if os.environ.get(urns.WRITE):
        urns.write(stack, recorder, urns.read(stack) if (urns.GOLDEN / f"{stack}.txt").exists() else ())
    assert len(recorder.present) > 10
    problems = lost(urns.read(stack), recorder)
    assert not problems, "\n".join([f"tests/program/urns/{stack}.txt:", *problems])


class Part(ComponentResource):
    """A part with one child, as the stacks have them; both are named after it."""

    def __init__(self, name: str, opts: ResourceOptions | None = None) -> None:
        super().__init__("slm:test:part", name, None, opts)
        pulumi.CustomResource("test:index:Volume", f"{name}-volume", {}, ResourceOptions(parent=self))


@pytest.fixture
def declared(run_program: Run) -> Declared:
    """Runs a few lines in place of the program; gives what they registered."""

    def run(program: Callable[[], object]) -> UrnRecorder:
        recorder = UrnRecorder()
        run_program("site", recorder=recorder, declaring=program)
        return recorder

    return run


RELEASED = ["slm:test:part$test:index:Volume::data-volume", "slm:test:part::data"]


def test_a_renamed_component_without_an_alias_fails_with_the_fix(declared: Declared) -> None:
    assert lost(RELEASED, declared(lambda: Part("data"))) == []
    problems = lost(RELEASED, declared(lambda: Part("store")))
    assert len(problems) == 4
    assert "slm:test:part::data is lost" in problems[1]
    assert "aliases=[Alias(name=…" in problems[1]
    assert "slm:test:part::store is new: add it to the list" in problems[3]


@pytest.mark.parametrize(
    "alias", [Alias(name="data"), "urn:pulumi:site::slm::slm:test:part::data"], ids=["by name", "by URN"]
)
def test_an_alias_of_the_component_keeps_its_children_as_well(declared: Declared, alias: Alias | str) -> None:
    recorder = declared(lambda: Part("store", ResourceOptions(aliases=[alias])))
    assert not [problem for problem in lost(RELEASED, recorder) if "lost" in problem]


def test_a_part_that_moved_below_another_is_lost_unless_it_says_where_it_was(declared: Declared) -> None:
    def moved(*aliases: Alias) -> Callable[[], object]:
        return lambda: Part("data", ResourceOptions(parent=Part("outer"), aliases=list(aliases)))

    assert len([p for p in lost(RELEASED, declared(moved())) if "lost" in p]) == 2
    kept = declared(moved(Alias(parent=pulumi.ROOT_STACK_RESOURCE)))
    assert not [problem for problem in lost(RELEASED, kept) if "lost" in problem]


def test_the_lists_differ_where_the_stacks_do() -> None:
    assert set(urns.read("dev")) - set(urns.read("edge.berlin-1"))
    assert any("ManagedCluster" in urn for urn in urns.read("prod"))
    assert not [urn for urn in urns.read("prod") if "sha256" in urn]
