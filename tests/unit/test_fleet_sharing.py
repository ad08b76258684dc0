"""Which host of a site fetches, which wait for it, and what they are told: decided without a host."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from components.neighbours import Given, Neighbour, Neighbours
from components.settings.fleet import Fleet
from components.targets.docker.neighbours import NEIGHBOURS_VARIABLE
from ops.errors import UserError
from ops.fleet import preflight
from ops.fleet.neighbours import Sharing, candidates
from ops.fleet.overview import sites
from ops.fleet.preflight import Checked
from ops.fleet.runs import Ran, Runs
from ops.fleet.serving import Serving
from ops.fleet.sharing import Candidate, Held, from_neighbours, plan
from ops.machine import Machine
from tests.unit.test_fleet_rollout import key

pytestmark = pytest.mark.unit

SHA, OTHER = "a" * 64, "b" * 64


def held(sha256: str = SHA, *, there: bool = False, volume: str = "gguf-1", pinned: bool = True) -> Held:
    files = (Given(path="x.gguf", sha256=sha256, size_bytes=5),) if pinned else ()
    return Held(volume=volume, size=5, files=files, there=there)


def at(host: str, *own: Held, site: str | None = "x", able: bool = True) -> Candidate:
    return Candidate(host, site, able, own or (held(),))


def givers(*hosts: Candidate) -> dict[str, str]:
    return {taking.host: taking.giver for taking in plan(hosts)}


def test_the_first_of_a_site_fetches_and_the_others_get_it_from_there() -> None:
    assert givers(at("a"), at("b"), at("c")) == {"b": "a", "c": "a"}


def test_each_site_fetches_once() -> None:
    hosts = [at("a"), at("b", site="y"), at("c"), at("d", site="y")]
    assert givers(*hosts) == {"c": "a", "d": "b"}


def test_who_has_it_already_gives_it_also_to_those_before() -> None:
    assert givers(at("a"), at("b", held(there=True)), at("c")) == {"a": "b", "c": "b"}


def test_a_host_without_the_label_has_no_neighbours() -> None:
    assert givers(at("a", site=None), at("b", site=None)) == {}


def test_what_is_not_pinned_or_is_other_weights_is_not_shared() -> None:
    assert givers(at("a", held(pinned=False)), at("b", held(pinned=False))) == {}
    assert givers(at("a", held(OTHER)), at("b")) == {}


def test_who_cannot_serve_fetches_for_itself_and_the_next_for_the_others() -> None:
    assert givers(at("a", able=False), at("b"), at("c")) == {"c": "b"}
    assert givers(at("a"), at("b", able=False)) == {"b": "a"}, "it takes all the same"
    assert givers(at("a", held(there=True), able=False), at("b"), at("c")) == {"c": "b"}


def test_nobody_waits_for_one_who_comes_later() -> None:
    both = (held(), held(OTHER, volume="gguf-2"))
    found = plan([at("a", *both), at("b", held(OTHER, volume="gguf-2")), at("c", *both)])
    assert [(one.host, one.held.volume, one.giver) for one in found] == [
        ("b", "gguf-2", "a"),
        ("c", "gguf-1", "a"),
        ("c", "gguf-2", "a"),
    ]
    assert from_neighbours(found) == {"b": 5, "c": 10}


def test_two_layouts_of_the_same_bytes_are_the_same_weights() -> None:
    store = Held("ollama-1", 5, (Given(path=f"blobs/sha256-{SHA}", sha256=SHA, size_bytes=5),))
    assert givers(at("a", store), at("b")) == {"b": "a"}


FLEET = Fleet.model_validate(
    {
        "share": {"label": "site"},
        "hosts": {
            name: {"address": f"192.0.2.{n}", "host_key": key(n), "labels": {"site": "x"}}
            for n, name in enumerate("abcd", start=1)
        },
    }
)


class Hosts:
    """Stands for servers on hosts: those of `broken` cannot serve."""

    def __init__(self, *broken: str) -> None:
        self.broken, self.runs, self.started = broken, set[str](), list[str]()

    def start(self, machine: Machine, address: str, port: int) -> Serving:
        host = machine.stack.partition(".")[2]
        self.started.append(host)
        if host in self.broken:
            raise UserError("the container that would serve its weights ended at once")
        self.runs.add(host)
        neighbour = Neighbour(endpoint=f"https://{address}:{port}", token=f"token-{host}", authority="PEM")
        return Serving(neighbour, frozenset({SHA}))

    def stop(self, machine: Machine) -> int:
        self.runs.remove(machine.stack.partition(".")[2])
        return 5


class Commands(Runs):
    """Runs whose commands are only written down: when they began, ended, and what they were told."""

    def __init__(self, folder: Path, *, fails: Sequence[str] = (), parallel: int = 8) -> None:
        super().__init__("edge", parallel, Console(quiet=True), folder)
        self.fails, self.events = fails, list[str]()
        self.told: dict[str, dict[str, Any]] = {}
        self.alone, self._busy, self._own = True, 0, threading.Lock()

    def _one(self, host: str, arguments: Sequence[str], environment: Mapping[str, str]) -> Ran:
        with self._own:
            self.events.append(f"{host} begins")
            self._busy += 1
            self.alone = self.alone and self._busy == 1
            if path := environment.get(NEIGHBOURS_VARIABLE):
                assert Path(path).stat().st_mode & 0o077 == 0
                self.told[host] = Neighbours.model_validate_json(Path(path).read_text()).model_dump()["volumes"]
        time.sleep(0.05)
        with self._own:
            self.events.append(f"{host} ends")
            self._busy -= 1
        return Ran(host, int(host in self.fails), "", 0.05)

    def before(self, first: str, then: str) -> bool:
        return self.events.index(first) < self.events.index(then)


def sharing(folder: Path, servers: Hosts, *hosts: Candidate) -> Sharing:
    known = hosts or tuple(at(name) for name in FLEET.hosts)
    return Sharing("edge", FLEET, known, Console(quiet=True), folder, servers.start, servers.stop)


def test_the_others_of_a_wave_wait_and_are_told_whom_to_ask(tmp_path: Path) -> None:
    servers, commands = Hosts(), Commands(tmp_path)
    turns = sharing(tmp_path, servers)
    ran = commands.all(["a", "b", "c", "d"], "up", said="up", turns=turns)
    assert [one.host for one in ran] == ["a", "b", "c", "d"]
    assert commands.events[:2] == ["a begins", "a ends"]
    asked = {"gguf-1": {"endpoint": "https://192.0.2.1:8444", "token": "token-a", "authority": "PEM"}}
    assert commands.told == dict.fromkeys("bcd", asked)
    assert servers.started == ["a"]
    assert servers.runs == set(), "it ends with the wave"
    assert not (tmp_path / ".slm/edge/neighbours").exists(), "no token is left"


def test_in_a_later_wave_nobody_waits(tmp_path: Path) -> None:
    servers, commands = Hosts(), Commands(tmp_path)
    turns = sharing(tmp_path, servers)
    commands.all(["a"], "up", said="up", turns=turns)
    assert servers.started == [], "nobody asks it yet"
    commands.all(["b", "c"], "up", said="up", turns=turns)
    assert set(commands.told) == {"b", "c"}
    commands.all(["d"], "up", said="up", turns=turns)
    assert servers.started == ["a", "a"], "anew in each wave"


def test_after_a_failure_the_next_fetches_for_the_others(tmp_path: Path) -> None:
    servers, commands = Hosts(), Commands(tmp_path, fails=["a"])
    commands.all(["a", "b", "c", "d"], "up", said="up", turns=sharing(tmp_path, servers))
    assert commands.before("a ends", "b begins")
    assert commands.before("b ends", "c begins")
    assert set(commands.told) == {"c", "d"}
    assert servers.started == ["b"]


def test_a_host_that_cannot_serve_keeps_nobody_from_fetching(tmp_path: Path) -> None:
    servers, commands = Hosts("a"), Commands(tmp_path)
    ran = commands.all(["a", "b"], "up", said="up", turns=sharing(tmp_path, servers, at("a"), at("b")))
    assert [one.code for one in ran] == [0, 0]
    assert commands.told == {}
    assert servers.started == ["a"]


def test_who_has_the_port_taken_is_not_asked(tmp_path: Path) -> None:
    servers, commands = Hosts(), Commands(tmp_path)
    known = (at("a", held(there=True), able=False), at("b"), at("c"))
    commands.all(["a", "b", "c"], "up", said="up", turns=sharing(tmp_path, servers, *known))
    assert servers.started == ["b"]
    assert set(commands.told) == {"c"}


def test_one_at_a_time_ends_as_well(tmp_path: Path) -> None:
    servers, commands = Hosts(), Commands(tmp_path, parallel=1)
    commands.all(["d", "c", "b", "a"], "up", said="up", turns=sharing(tmp_path, servers))
    assert commands.alone
    assert commands.before("a ends", "b begins")


def test_those_who_wait_for_somebody_who_does_not_come_begin_in_the_end(tmp_path: Path) -> None:
    servers, commands = Hosts(), Commands(tmp_path)
    commands.all(["b", "c"], "up", said="up", turns=sharing(tmp_path, servers))
    assert commands.told == {}
    assert len(commands.events) == 4


def test_an_interrupt_ends_the_servers(tmp_path: Path) -> None:
    servers = Hosts()

    class Interrupted(Commands):
        def _one(self, host: str, arguments: Sequence[str], environment: Mapping[str, str]) -> Ran:
            if host == "b":
                assert servers.runs == {"a"}
                raise KeyboardInterrupt
            return super()._one(host, arguments, environment)

    with pytest.raises(KeyboardInterrupt):
        Interrupted(tmp_path).all(["a", "b"], "up", said="up", turns=sharing(tmp_path, servers))
    assert servers.runs == set()
    assert not (tmp_path / ".slm/edge/neighbours").exists()


def test_a_server_that_cannot_be_ended_is_told(tmp_path: Path) -> None:
    class Away(Hosts):
        def stop(self, machine: Machine) -> int:
            raise UserError("ssh://slm@192.0.2.1:22 does not answer")

    console, servers = Console(record=True, width=200, file=io.StringIO()), Away()
    turns = Sharing("edge", FLEET, [at("a"), at("b")], console, tmp_path, servers.start, servers.stop)
    Commands(tmp_path).all(["a", "b"], "up", said="up", turns=turns)
    said = console.export_text()
    assert "a may serve its weights for up to 60 minutes more: ssh://slm@192.0.2.1:22 does not answer" in said
    assert "b: waits for the weights that a fetches" in said
    assert "token-a" not in said


def test_only_hosts_that_are_ready_take_part_and_only_those_serve_that_can() -> None:
    failed = Checked("b", failures=(UserError("x"),), held=(held(),), serves=True)
    found = candidates(FLEET, [Checked("a", held=(held(),), serves=True), failed, Checked("c", held=(held(),))])
    assert [(one.host, one.site, one.able) for one in found] == [("a", "x", True), ("c", "x", False)]


def test_sites_and_hosts_without_one_are_told() -> None:
    assert sites(FLEET, tuple("abcd")) == "x has 4 hosts"
    lone = FLEET.hosts["d"].model_copy(update={"labels": {}})
    fleet = FLEET.model_copy(update={"hosts": {**FLEET.hosts, "d": lone}})
    assert sites(fleet, tuple("ad")) == "x has 1 host; without the label: d"


def test_without_share_nobody_is_anybodys_neighbour() -> None:
    alone = FLEET.model_copy(update={"share": None})
    assert plan(candidates(alone, [Checked(name, held=(held(),), serves=True) for name in "ab"])) == []


def test_what_crosses_the_link_and_what_does_not_is_told_apart() -> None:
    gib = Held("gguf-1", 2_000_000_000, (Given(path="x.gguf", sha256=SHA, size_bytes=5),))
    checked = [Checked(name, held=(gib,), images=500_000_000) for name in "ab"]
    console = Console(record=True, width=200, file=io.StringIO())
    preflight.tell(checked, {"b": 2_000_000_000}, console)
    said = console.export_text()
    assert "to the hosts: 3.00 GB in all (2.00 GB of weights, 1.00 GB of images unpacked)" in said
    assert "inside the sites, from neighbours: 2.00 GB of weights for b" in said
    console = Console(record=True, width=200, file=io.StringIO())
    preflight.tell(checked, {}, console)
    said = console.export_text()
    assert "to the hosts: 5.00 GB in all" in said
    assert "neighbours" not in said
