"""The story of a rehearsal: which acts are played, what a failure stops, and what the report says of it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rehearsal.control_plane.api import Refused
from rehearsal.life import run, story
from rehearsal.life.acts import ACTS
from rehearsal.life.acts.end import kept_resources, known_to
from rehearsal.life.followers import kept_disks, pools_of
from rehearsal.life.pulumi import forget_the_real_world
from rehearsal.life.run import Run, Step
from rehearsal.life.stage import Act, Failed, Needs, Stage
from rehearsal.life.troubles import TROUBLES
from rehearsal.report.circumstances import Part
from rehearsal.report.pages import Report
from tools.errors import ToolError

pytestmark = pytest.mark.unit

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "rehearsal.md"


class World:
    """A world in which nothing runs; it counts how often it began anew."""

    def __init__(self, resources: int = 0) -> None:
        self.begun = 0
        self.cloud = SimpleNamespace(resources=lambda: [object()] * resources)

    def fresh(self) -> None:
        self.begun += 1

    def check(self) -> None:
        pass


def passes(stage: Stage) -> None:
    """Nothing goes
    wrong."""
    stage.fact("so", "it is | was")


def fails(stage: Stage) -> None:
    """Something goes wrong."""
    stage.fact("before", "the end")
    stage.require(False, "the door is open", ["door: open"])


def refused(_: Stage) -> None:
    """The API server refuses something."""
    raise Refused(403, "Forbidden", "pods are forbidden\nbecause")


def play(*acts: Act, resources: int = 0) -> tuple[story.Timeline, World]:
    world: Any = World(resources)
    return story.play(world, acts, lambda _: lambda _: None, lambda _: None), world


UP, VERIFY, BROKEN = (
    Act("up", "Deploy", passes, Needs.ZERO, short=True),
    Act("verify", "Look", passes),
    Act("broken", "Break", fails),
)


def test_acts_are_played_in_order_with_what_they_prove_and_found() -> None:
    timeline, _ = play(UP, VERIFY)
    assert [(one.name, one.outcome) for one in timeline.played] == [("up", "passed"), ("verify", "passed")]
    assert timeline.played[0].proves == "Nothing goes wrong."
    assert timeline.played[0].facts == (("so", "it is | was"),)
    assert timeline.succeeded


def test_after_a_failure_nothing_is_played_and_each_act_says_why() -> None:
    timeline, _ = play(UP, BROKEN, VERIFY)
    assert [one.outcome for one in timeline.played] == ["passed", "failed", "not played"]
    assert timeline.played[1].why == "the door is open"
    assert timeline.played[1].seen == ("door: open",)
    assert timeline.played[1].facts == (("before", "the end"),)
    assert timeline.played[2].why == "broken failed"
    assert not timeline.succeeded


def test_what_the_api_server_refuses_fails_the_act_with_its_words() -> None:
    timeline, _ = play(Act("x", "X", refused))
    assert timeline.played[0].why == "pods are forbidden"
    assert timeline.played[0].seen == ("because",)


def test_a_rehearsal_in_which_nothing_was_played_has_not_succeeded() -> None:
    assert not story.Timeline().succeeded


@pytest.mark.parametrize(("acts", "resources", "lives"), [((UP,), 0, 0), ((UP,), 3, 1), ((UP, VERIFY, UP), 0, 1)])
def test_an_act_that_needs_an_empty_subscription_gets_one(acts: tuple[Act, ...], resources: int, lives: int) -> None:
    _, world = play(*acts, resources=resources)
    assert world.begun == lives


def test_the_short_cut_and_a_single_step_are_parts_of_the_whole() -> None:
    acts = [UP, VERIFY, BROKEN]
    assert story.chosen(acts, short=False) == acts
    assert story.chosen(acts, short=True) == [UP]
    assert story.chosen(acts, short=False, only="broken") == [UP, BROKEN]
    assert story.chosen(acts, short=True, only="up") == [UP]
    torn, again = Act("torn", "End", passes, leaves=False), Act("again", "Again", passes, Needs.LEFT)
    assert story.chosen([*acts, torn, again], short=False, only="again") == [UP, torn, again]
    with pytest.raises(ToolError, match="no step 'sing'") as error:
        story.chosen(acts, short=False, only="sing")
    assert "up, verify, broken" in str(error.value)


def test_names_of_acts_are_single_and_each_says_what_it_proves() -> None:
    names = [act.name for act in ACTS]
    assert len(set(names)) == len(names)
    assert [act.name for act in ACTS if len(act.proves) < 60] == []


def test_the_short_cut_ends_with_nothing_left_running() -> None:
    short = [act for act in ACTS if act.short]
    assert short[0].needs is Needs.ZERO
    assert not short[-1].leaves
    faults = [act.name for act in short if act.name.startswith("fault-") or act.name == "destroy"]
    assert len(faults) >= 2


def test_every_act_and_every_fault_is_in_the_document() -> None:
    text = DOCUMENT.read_text()
    assert [act.name for act in ACTS if f"`{act.name}`" not in text] == []
    for trouble in TROUBLES.values():
        assert trouble.way_out in text, trouble.name
        assert trouble.word in text, trouble.name


def event(**content: Any) -> str:
    return json.dumps({"sequence": 0, **content})


def test_a_commands_run_is_read_from_its_event_log(tmp_path: Path) -> None:
    log = tmp_path / "events.json"
    urn = "urn:pulumi:prod::slm::slm:target:aks$azure-native:keyvault:Vault::cloud-keyvault"
    metadata = {"op": "update", "type": "azure-native:keyvault:Vault", "urn": urn, "detailedDiff": {"tags": {}}}
    message = "<{%fg 1%}>error: <{%reset%}>no such\n  thing\n"
    log.write_text(
        "\n".join(
            [
                event(resourcePreEvent={"metadata": metadata}),
                event(diagnosticEvent={"severity": "info", "message": "hello"}),
                event(diagnosticEvent={"severity": "error", "message": message}),
                event(summaryEvent={"resourceChanges": {"update": 1, "same": 4, "delete": 0}}),
            ]
        )
    )
    done = run.read("up", 255, "one\n\ntwo\n", 1.5, log)
    assert done.steps == (Step("update", "azure-native:keyvault:Vault", "cloud-keyvault", ("tags",)),)
    assert done.changes == {"same": 4, "update": 1}
    assert done.message() == "error: no such thing"
    assert done.tail() == ["one", "two"]
    assert not done.succeeded
    assert [step.name for step in done.changed("Vault")] == ["cloud-keyvault"]


def test_a_run_without_a_log_has_nothing_but_its_output(tmp_path: Path) -> None:
    done = run.read("up", 1, "error: unknown flag", 0.1, tmp_path / "none.json")
    assert (done.steps, done.changes, done.message()) == ((), {}, "")


class Told:
    """A Pulumi that answers what it is told to."""

    def __init__(self, code: int, output: str, *steps: Step) -> None:
        self.answer = Run("up", code, output, 1.0, steps)

    def play(self, *_: str, **__: Any) -> Run:
        return self.answer


def stage(code: int, output: str, *steps: Step) -> Stage:
    world: Any = World()
    world.pulumi = Told(code, output, *steps)
    world.prepare_cluster = lambda: None
    return Stage(world)


def test_a_command_that_fails_fails_the_act() -> None:
    with pytest.raises(Failed, match="failed") as error:
        stage(255, "error: broken").up()
    assert error.value.seen == ("error: broken",)


@pytest.mark.parametrize(
    ("code", "output", "why"),
    [
        (0, "quota", "had to fail"),
        (255, "another reason", "no 'quota'"),
        (255, "quota\nProgram failed with an unhandled exception:\nTraceback", "a traceback"),
    ],
)
def test_a_refusal_must_fail_for_the_right_reason_and_without_a_traceback(code: int, output: str, why: str) -> None:
    with pytest.raises(Failed, match=why):
        stage(code, output).up_refused(words=["quota"])
    stage(255, "error: quota").up_refused(words=["quota"])


def test_a_preview_that_shows_a_change_fails_the_act() -> None:
    stage(0, "", Step("same", "k", "n"), Step("read", "k", "n")).unchanged()
    with pytest.raises(Failed, match="shows changes") as error:
        stage(0, "", Step("update", "kind", "name", ("spec",))).unchanged()
    assert error.value.seen == ("update kind name spec",)


def report(*acts: Act) -> Report:
    timeline, _ = play(*acts)
    return Report("prod", "2026-11-26", False, {"Python": "3"}, [Part("nodes", "simulated", "kwok")], timeline)


def test_the_report_says_what_failed_and_what_was_not_played(tmp_path: Path) -> None:
    path = tmp_path / "reports" / "prod.md"
    beside = report(UP, BROKEN, VERIFY).write(path)
    text = path.read_text()
    assert "1 of 3 steps passed" in text
    assert "It failed: broken: the door is open." in text
    assert "| 3 | verify | Look | not played |" in text
    assert "```\ndoor: open\n```" in text
    assert "it is \\| was" in text
    assert "| nodes | simulated | kwok |" in text
    data = json.loads(beside.read_text())
    assert beside == tmp_path / "reports" / "prod.json"
    assert (data["succeeded"], data["steps"][1]["outcome"]) == (False, "failed")


def test_a_report_of_a_good_life_says_so() -> None:
    assert "All of it went well." in report(UP).markdown()


def test_whoever_rehearses_cannot_reach_a_real_cloud() -> None:
    environment = {
        "PULUMI_ACCESS_TOKEN": "x", "ARM_CLIENT_SECRET": "x", "AZURE_CONFIG_DIR": "x", "KUBECONFIG": "x",
        "AAD_LOGIN_METHOD": "x", "PATH": "/bin", "SLM_CACHE": "/cache",
    }  # fmt: skip
    assert len(forget_the_real_world(environment)) == 5
    assert environment == {"PATH": "/bin", "SLM_CACHE": "/cache"}


def test_nodes_come_for_pools_that_azure_has_made_and_no_others() -> None:
    pool = {"name": "gpu", "vm_size": "Standard_NC4as_T4_v3", "cpus": 4, "memory_mib": 28672, "gpus": 1}
    states = {"made": "Succeeded", "changed": "Updating", "coming": "Creating", "broken": "Failed"}
    entries = [{"state": state, "pool": pool | {"name": name}} for name, state in states.items()]
    assert [one.name for one in pools_of([{"pools": entries}])] == ["made", "changed"]


def test_a_disk_outlives_its_cluster_when_its_class_says_so() -> None:
    def volume(name: str, storage_class: str) -> dict[str, Any]:
        return {"spec": {"storageClassName": storage_class, "csi": {"volumeHandle": name}}}

    classes = [
        {"metadata": {"name": "weights"}, "reclaimPolicy": "Retain"},
        {"metadata": {"name": "default"}, "reclaimPolicy": "Delete"},
    ]
    assert kept_disks([volume("kept", "weights"), volume("gone", "default")], classes) == ["kept"]


def test_a_state_that_knows_nothing_has_neither_resources_nor_operations_without_an_end() -> None:
    def state(**deployment: Any) -> str:
        return json.dumps({"version": 3, "deployment": deployment})

    assert known_to(state()) == known_to(state(resources=None, pending_operations=[])) == []
    vault, pool = {"urn": "urn:vault"}, {"resource": {"urn": "urn:pool"}, "type": "creating"}
    assert known_to(state(resources=[vault], pending_operations=[pool])) == ["urn:vault", "urn:pool"]


@pytest.mark.parametrize(("vault", "data", "names"), [(True, True, ["slm-vault", "slm-prod-data"]), (False, False, [])])
def test_only_what_the_stack_keeps_may_be_left(vault: bool, data: bool, names: list[str]) -> None:
    def record(kind: str, name: str) -> Any:
        return SimpleNamespace(resource_type=kind, name=name)

    target: Any = SimpleNamespace(
        retain=SimpleNamespace(vault=vault, data=data), vault=SimpleNamespace(name="slm-vault")
    )
    left = [
        record("keyvault:Vault", "slm-vault"), record("keyvault:Vault", "other"),
        record("resources:ResourceGroup", "slm-prod-data"), record("resources:ResourceGroup", "slm-prod"),
        record("network:VirtualNetwork", "slm-prod-network"),
    ]  # fmt: skip
    assert [one.name for one in kept_resources(target, left)] == names
