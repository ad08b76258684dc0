"""Which hosts, in which order, and what happens when one fails: decided without a host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from components.settings import Settings, load
from components.settings.fleet import Fleet, Rollout
from components.settings.stack_file import DESCRIPTION
from ops.errors import UserError
from ops.fleet import kept
from ops.fleet.choose import choose, waves
from ops.fleet.drift import parse
from ops.fleet.rollout import Rolling
from ops.fleet.runs import Ran, why
from ops.machine import Machine
from tests.unit.settings_base import BASE, HOST_KEY

pytestmark = pytest.mark.unit

NAMES = tuple(f"h{number}" for number in range(1, 9))


def key(number: int) -> str:
    return HOST_KEY[:-3] + f"A{chr(65 + number)}A"


FLEET = Fleet.model_validate(
    {
        "defaults": {"labels": {"ring": "late"}},
        "hosts": {
            name: {
                "address": f"192.0.2.{number}",
                "host_key": key(number),
                "labels": {"site": "x" if number <= 5 else "y", **({"ring": "early"} if number == 1 else {})},
            }
            for number, name in enumerate(NAMES, start=1)
        },
    }
)


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("", NAMES),
        (" , ", NAMES),
        ("h3", ("h3",)),
        ("h3,h1", ("h1", "h3")),
        ("site=y", ("h6", "h7", "h8")),
        ("site=y, h1", ("h1", "h6", "h7", "h8")),
        ("ring=early", ("h1",)),
        ("ring=late,ring=early", NAMES),
    ],
)
def test_hosts_are_chosen_by_name_and_label_in_the_files_order(wanted: str, chosen: tuple[str, ...]) -> None:
    assert choose(FLEET, wanted) == chosen


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("h9", "unknown host 'h9'"),
        ("site=z", "use one of: x, y"),
        ("sites=x", "did you mean 'site'"),
        ("site=", "chooses no host"),
        ("h1,nobody", "unknown host 'nobody'"),
    ],
)
def test_a_choice_that_means_nothing_is_an_error_and_no_empty_choice(wanted: str, words: str) -> None:
    with pytest.raises(UserError) as error:
        choose(FLEET, wanted)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("count", "rollout", "sizes"),
    [
        (8, {}, [1, 1, 6]),
        (100, {}, [1, 24, 75]),
        (3, {}, [1, 2]),
        (1, {}, [1]),
        (2, {"canary": 5}, [2]),
        (8, {"canary": 0, "percent": (100,)}, [8]),
        (8, {"canary": 2, "percent": (50, 75, 100)}, [2, 2, 2, 2]),
    ],
)
def test_waves_reach_every_host_once(count: int, rollout: dict[str, Any], sizes: list[int]) -> None:
    hosts = [f"h{number}" for number in range(count)]
    found = waves(hosts, Rollout.model_validate(rollout))
    assert [len(wave) for wave in found] == sizes
    assert [host for wave in found for host in wave] == hosts


class Hosts:
    """Stands for commands on hosts: fails for those it is told to, and writes down what was asked."""

    def __init__(self, project: Path, *, up: Sequence[str] = (), gate: Sequence[str] = (), back: Sequence[str] = ()):
        self.project, self.fails = project, {"up": up, "gate": gate, "back": back}
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def all(
        self,
        hosts: Sequence[str],
        *arguments: str,
        said: str,
        environment: Mapping[str, Mapping[str, str]] | None = None,
        turns: object = None,
    ) -> list[Ran]:
        what = "back" if environment else arguments[0]
        if hosts:
            self.asked.append((what, tuple(hosts)))
        for host in environment or ():
            assert Path((environment or {})[host][DESCRIPTION]).read_text() == f"before {host}"
        return [Ran(host, int(host in self.fails[what]), "", 1) for host in hosts]


def roll(project: Path, hosts: Hosts, **rollout: Any) -> Any:
    console = Console(quiet=True)
    rolling = Rolling("edge", Rollout.model_validate(rollout), hosts, console, project)  # type: ignore[arg-type]
    return rolling.over(NAMES[:4])


def ran_before(project: Path, *hosts: str) -> None:
    for host in hosts:
        folder = kept.folder(Machine(f"edge.{host}", project))
        folder.mkdir(parents=True)
        (folder / "description.yaml").write_text(f"before {host}")
        (folder / "choices.yaml").write_text(yaml.safe_dump({"model": f"model-of-{host}"}))


def test_a_rollout_without_a_failure_reaches_all_and_asks_each_wave(tmp_path: Path) -> None:
    hosts = Hosts(tmp_path)
    outcome = roll(tmp_path, hosts, percent=(50, 100))
    assert outcome.done == list(NAMES[:4])
    assert [what for what, _ in hosts.asked] == ["up", "gate"] * 3
    assert [*outcome.failed, *outcome.rolled_back, *outcome.untouched] == []


def test_a_canary_that_fails_is_rolled_back_and_nobody_else_is_touched(tmp_path: Path) -> None:
    ran_before(tmp_path, *NAMES[:4])
    hosts = Hosts(tmp_path, up=["h1"])
    outcome = roll(tmp_path, hosts)
    assert (outcome.failed, outcome.rolled_back) == (["h1"], ["h1"])
    assert outcome.untouched == ["h2", "h3", "h4"]
    assert hosts.asked == [("up", ("h1",)), ("back", ("h1",))]
    assert Machine("edge.h1", tmp_path).config()["config"]["slm:model"] == "model-of-h1"


def test_a_host_that_is_up_and_does_not_answer_at_the_gate_is_a_failure(tmp_path: Path) -> None:
    ran_before(tmp_path, *NAMES[:4])
    outcome = roll(tmp_path, Hosts(tmp_path, gate=["h3"]), percent=(100,))
    assert outcome.failed == ["h3"]
    assert outcome.rolled_back == ["h2", "h3", "h4"], "the whole wave"
    assert outcome.done == ["h1"]


def test_going_on_after_a_failure_rolls_back_only_what_failed(tmp_path: Path) -> None:
    ran_before(tmp_path, *NAMES[:4])
    hosts = Hosts(tmp_path, up=["h1"], gate=["h3"])
    outcome = roll(tmp_path, hosts, percent=(100,), on_failure="continue")
    assert outcome.failed == ["h1", "h3"]
    assert outcome.rolled_back == ["h1", "h3"]
    assert outcome.done == ["h2", "h4"]
    assert outcome.untouched == []


def test_a_first_deployment_that_fails_is_left_to_be_looked_at(tmp_path: Path) -> None:
    hosts = Hosts(tmp_path, up=["h1"])
    outcome = roll(tmp_path, hosts)
    assert outcome.not_rolled_back == ["h1"]
    assert outcome.rolled_back == []
    assert hosts.asked == [("up", ("h1",))]


def test_a_roll_back_that_fails_is_told(tmp_path: Path) -> None:
    ran_before(tmp_path, "h1")
    outcome = roll(tmp_path, Hosts(tmp_path, up=["h1"], back=["h1"]))
    assert outcome.not_rolled_back == ["h1"]


def described(folder: Path, **gateway: Any) -> Settings:
    config = {**BASE, "slm:gateway": {"target": "laptop", "tls": {"certificate": "c", "key": "k"}, **gateway}}
    fleet = {"hosts": {"h1": {"address": "192.0.2.1", "host_key": HOST_KEY}}}
    (folder / "Pulumi.edge.yaml").write_text(yaml.safe_dump({"config": {**config, "slm:fleet": fleet}}))
    return load("edge.h1", folder)


def test_another_pin_is_another_description_and_another_build_of_this_machine_is_none(tmp_path: Path) -> None:
    settings = described(tmp_path)

    def digest(image: str, role: str = "haproxy") -> str:
        return kept.digest(settings.model_copy(update={"images": {**settings.images, role: image}}))

    pinned, newer = f"haproxy:3.4.4@sha256:{'a' * 64}", f"haproxy:3.4.5@sha256:{'b' * 64}"
    assert digest(pinned) != digest(newer)
    assert digest("sha256:" + "a" * 64) == digest("sha256:" + "b" * 64)
    assert digest(newer, "webui") == kept.digest(settings), "a role that this stack does not have"


def test_what_runs_is_kept_and_a_later_description_is_behind(tmp_path: Path) -> None:
    machine, settings = Machine("edge.h1", tmp_path), described(tmp_path)
    assert kept.is_current(machine, settings) is None
    machine.record({"images": {"ollama": "sha256:" + "a" * 64}, "model": "phi4-mini"})
    kept.keep(machine, settings)
    assert kept.is_current(machine, settings) is True
    kept.remember(machine)
    kept.remember(machine)
    later = described(tmp_path, port=9443)
    assert kept.is_current(machine, later) is False
    machine.record({"images": {"ollama": "sha256:" + "b" * 64}, "model": None})
    path = Path(kept.put_back(machine)[DESCRIPTION])
    assert "9443" not in path.read_text()
    assert machine.config()["config"] == {
        "slm:images": {"ollama": "sha256:" + "a" * 64},
        "slm:model": "phi4-mini",
    }


def test_a_stack_that_is_no_host_of_a_fleet_keeps_nothing(tmp_path: Path) -> None:
    settings = described(tmp_path)
    kept.keep(Machine("dev", tmp_path), settings)
    assert not kept.folder(Machine("dev", tmp_path)).exists()


def test_hosts_that_are_no_longer_listed_are_found(tmp_path: Path) -> None:
    for name in ("edge", "edge.h1", "edge.h2", "other.h3", "state"):
        (tmp_path / ".slm" / name).mkdir(parents=True)
    assert kept.hosts_left("edge", tmp_path, {"h1"}) == ["h2"]


def test_a_failed_commands_own_error_is_what_is_shown() -> None:
    output = "copying\n  + x created\nerror job 'chat-fetch' ended\n  harm: none\n  fix:  mend it\n"
    assert why(Ran("h1", 1, output, 1)) == ["error job 'chat-fetch' ended", "  harm: none", "  fix:  mend it"]
    assert why(Ran("h1", 1, "a\n\nb\n", 1)) == ["a", "b"]


def test_a_preview_in_json_is_counted() -> None:
    same = '{"steps": [{"op": "same", "urn": "x::a"}], "changeSummary": {"same": 15}}'
    assert parse("h1", f"a warning\n{same}\n", 0).state == "as described"
    steps = '{"op": "create", "urn": "urn:pulumi:edge::slm::docker::gateway-container"}'
    changed = parse("h1", f'{{"steps": [{steps}], "changeSummary": {{"create": 1, "same": 14}}}}', 0)
    assert changed.state == "1 to create"
    assert changed.resources == ("create gateway-container",)
    failed = '{"diagnostics": [{"severity": "error", "message": "error: no way\\n"}]}'
    assert parse("h1", failed, 1).state == "not known: error: no way"
    assert parse("h1", "panic", 1).state == "not known: panic"
