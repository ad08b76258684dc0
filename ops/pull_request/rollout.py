"""In which order a change happens, what stands still meanwhile and how long at most (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from components.gateway import NAME as GATEWAY
from components.settings import Fleet
from components.targets.docker.container import STOP_MARGIN
from components.targets.kubernetes.rollout import progress_seconds
from components.webui.workload import NAME as WEBUI
from ops.fleet.choose import waves
from ops.pull_request.figures import fetched
from ops.pull_request.markdown import Section, code, listed, say
from ops.pull_request.picture import Picture, Runs
from ops.pull_request.pools import REPLACED, pools, remade
from ops.pull_request.sides import Place, Side

MOST_HOSTS = 20
"""Hosts named in one wave."""

UNKNOWN = "how long it starts is not known here"


@dataclass(frozen=True)
class Outage:
    """What answers nobody for a while: at most `seconds`, None where nothing limits it."""

    what: str
    hosts: tuple[str, ...]
    seconds: int | None


def outages(places: list[Place]) -> list[Outage]:
    """Everything that stands still, in the order it does."""
    found = []
    for place in places:
        found += [Outage(what, place.hosts, None) for _, what in pools(place) if what]
        for name, old, new in () if _anew(place) else _changed(place):
            if _serves(place, name) and old and _elsewhere(place, new):
                found.append(Outage(_called(place, name), place.hosts, None))
            elif _serves(place, name) and _stops(old, new) and not remade(place, new.target, new.workload.gpus):
                found.append(Outage(_called(place, name) + _with(name), place.hosts, _limit(new)))
    return found


def expected(places: list[Place]) -> set[str]:
    """Workloads that change by the descriptions, or come and go."""
    found = {name for place in places for name, _, _ in _changed(place)}
    for place in places:
        sides = [set(side.planned or ()) if side else set() for side in (place.before, place.after)]
        found |= sides[0] ^ sides[1]
        found |= sides[1] if _anew(place) else set()
    return found


def section(places: list[Place], base: Side, head: Side, besides: str = "") -> Section:
    """The plan as a list for each place, the waves of a fleet before it; `besides` is what only previews say."""
    lines: list[str] = []
    if head.fleet:
        lines += _waves(places, head.fleet, base.fleet)
    for place in places:
        if not place.changes:
            continue
        steps = list(_steps(place))
        if place.hosts and steps:
            lines += ["", f"On {listed(place.hosts)}:", ""]
        lines += [f"{number}. {step}" for number, step in enumerate(steps, 1)]
    lines = lines or ["By the descriptions nothing restarts." if besides else "Nothing restarts."]
    lines += ["", besides[:1].upper() + besides[1:] + "."] if besides else []
    return Section(tuple(lines), head=("### Rollout", ""))


def _waves(places: list[Place], fleet: Fleet, before: Fleet | None) -> Iterator[str]:
    change = {host for place in places if place.changes and place.after for host in place.hosts}
    names = [name for name in fleet.hosts if name in change]
    if not names and before and before.rollout != fleet.rollout:
        names = list(fleet.hosts)
        yield "- no host changes now; the next change of all of them goes like this:"
    planned, rollout = waves(names, fleet.rollout), fleet.rollout
    for number, wave in enumerate(planned, 1):
        yield f"- wave {number} of {len(planned)}: {listed(wave, MOST_HOSTS)}"
    if planned:
        asked = f"{rollout.questions} questions to each of its hosts, at most {rollout.error_percent:g} % unanswered"
        stop = (
            "rolls the whole wave back and ends the rollout" if rollout.on_failure == "stop" else "rolls that host back"
        )
        yield f"- after each wave {asked}; a failure {stop}; {rollout.parallel} hosts change at a time"


def _steps(place: Place) -> Iterator[str]:
    before, after = place.before, place.after
    if after is None:
        yield "nothing is done: what runs there goes on, and nothing looks after it"
        return
    yield from (words for words, _ in pools(place))
    if _anew(place):
        yield f"everything on it starts anew: {listed(after.planned or after.settings.engines, 20)}"
        return
    if new := fetched(place):
        stops = any(what for _, what in pools(place))
        meanwhile = "; what runs serves on meanwhile" if before and not stops else ""
        models = listed(dict.fromkeys(model for model, _, _ in new))
        yield f"weights of {models} are fetched ({sum(size for _, _, size in new) / 1e9:.2f} GB){meanwhile}"
    if after.planned is None or (before and before.planned is None):
        yield "what restarts is not known: a target cannot honour a part of the description"
        return
    if before is None:
        yield f"everything starts for the first time: {listed(after.planned, 20)}; nothing stands still"
        return
    yield from (_step(place, name, old, runs) for name, old, runs in _changed(place))
    gone = [name for name in before.planned or () if name not in (after.planned or ())]
    if gone:
        yield f"ends and is removed: {listed(gone, 20)}"


def _changed(place: Place) -> Iterator[tuple[str, Runs | None, Runs]]:
    """Workloads that start, restart, move or read their files again, in the order they do."""
    before, after = place.before, place.after
    if before is None or after is None or before.planned is None or after.planned is None:
        return
    for name, new in after.planned.items():
        old = before.planned.get(name)
        facts = ("target", "restarts", "reloads", "copies")
        moved = _moved(before, after, new.target)
        if old is None or moved or any(getattr(old, fact) != getattr(new, fact) for fact in facts):
            yield name, old, new


def _anew(place: Place) -> bool:
    """Whether a cluster is replaced, and everything on it."""
    return any(what.startswith(REPLACED.partition("{")[0]) for _, what in pools(place))


def _elsewhere(place: Place, new: Runs) -> bool:
    return bool(place.before and place.after and _moved(place.before, place.after, new.target))


def _with(name: str) -> str:
    return ", and with it every model" if name == GATEWAY else ""


def _moved(before: Picture, after: Picture, target: str) -> bool:
    """Whether a target of the same name is another machine or cluster."""
    old, new = before.settings.targets.get(target), after.settings.targets.get(target)
    return old is not None and new is not None and old.where != new.where


def _serves(place: Place, name: str) -> bool:
    """Whether clients or people notice when it stops."""
    return place.after is not None and name in {*place.after.settings.hosted, GATEWAY, WEBUI}


def _called(place: Place, name: str) -> str:
    if name == GATEWAY:
        return "the gateway"
    if name == WEBUI:
        return "the chat page"
    return say("engine {}", name) if _serves(place, name) else code(name)


def _restarts(old: Runs, new: Runs) -> bool:
    return old.target != new.target or old.restarts != new.restarts


def _stops(old: Runs | None, new: Runs) -> bool:
    """Whether there is a time without any copy of it."""
    if old is None or old.copies[1] == 0:
        return False
    if new.copies[1] == 0 or old.target != new.target:
        return True
    return _restarts(old, new) and not new.surges and min(old.copies[0], new.copies[0]) <= 1


def _limit(new: Runs) -> int:
    """Seconds until Pulumi gives up waiting for it."""
    if new.on_cluster:
        return progress_seconds(new.workload)
    probe = new.workload.probe
    return new.workload.drain + STOP_MARGIN + (probe.startup + probe.interval * probe.retries if probe else 0)


def _step(place: Place, name: str, old: Runs | None, new: Runs) -> str:
    called = _called(place, name)
    if old is None:
        return f"{called} starts for the first time"
    if old.target != new.target:
        return say("{} starts on {} and ends on {}: another address, another machine", name, new.target, old.target)
    if _elsewhere(place, new):
        tells = "whether Pulumi makes it on the new one only a preview tells"
        return f"{called}: its machine is another one; **on the old one nothing is removed**, and {tells}"
    if remade(place, new.target, new.workload.gpus):
        return f"{called} ends with the nodes of its pool, and starts on the new ones; {UNKNOWN}"
    if not _restarts(old, new):
        if old.copies != new.copies:
            return f"{called}: {_copies(old)} → {_copies(new)}; none restarts"
        return f"{called} reads its files again; nothing stands still"
    least = min(old.copies[0], new.copies[0])
    if new.on_cluster and new.surges:
        return f"{called} is replaced copy by copy, a new one before an old one goes: nothing stands still"
    if new.on_cluster and least > 1:
        return (
            f"{called} is replaced copy by copy, an old one goes first: {least - 1} of {least} copies serve meanwhile"
        )
    ends = f"its old copy ends (running answers get {new.workload.drain} s), then the new one starts"
    if not _serves(place, name):
        return f"{called} restarts: nobody's requests wait for it"
    limits = f"{UNKNOWN}, and after {_limit(new)} s it has failed"
    return f"{called}{_with(name)} **stands still**: {ends}; {limits}"


def _copies(runs: Runs) -> str:
    least, most = runs.copies
    return f"{least} copies" if least == most else f"{least} to {most} copies"
