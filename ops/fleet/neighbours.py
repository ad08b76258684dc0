"""A rollout in which weights go once to a site: who waits for whom, and who is asked for what."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock

from rich.console import Console

from components.neighbours import Neighbours
from components.serving import IDLE
from components.settings.fleet import Fleet
from components.targets.docker.neighbours import NEIGHBOURS_VARIABLE
from ops.errors import UserError
from ops.fleet import serving
from ops.fleet.preflight import Checked
from ops.fleet.serving import Serving
from ops.fleet.sharing import Candidate, Taking, plan
from ops.machine import STATE_DIRECTORY, Machine, write_private

Start = Callable[[Machine, str, int], Serving]
Stop = Callable[[Machine], int | None]


def candidates(fleet: Fleet, checked: Sequence[Checked]) -> list[Candidate]:
    """The hosts that were looked at and are ready, with the sites they are in."""
    return [
        Candidate(
            one.host, fleet.site_of(one.host), one.serves and fleet.host(one.host).shares_on is not None, one.held
        )
        for one in checked
        if one.ready
    ]


class Sharing:
    """What `Runs.all` asks about turns. A host's weights are served from when its first neighbour's turn begins until
    the hosts that are changed together have ended."""

    def __init__(
        self,
        stack: str,
        fleet: Fleet,
        known: Sequence[Candidate],
        console: Console,
        project: Path,
        start: Start = serving.start,
        stop: Stop = serving.stop,
    ) -> None:
        self._stack, self._fleet, self._console, self._project = stack, fleet, console, project
        self._candidates = {one.host: one for one in known}
        self._start, self._stop = start, stop
        self._serving: dict[str, tuple[Serving, float]] = {}
        self._locks = {host: Lock() for host in self._candidates}
        self._folder = project / STATE_DIRECTORY / stack / "neighbours"
        self._waiting: set[str] = set()

    @property
    def takings(self) -> list[Taking]:
        """Who gets what from whom, as far as is known now."""
        return plan(list(self._candidates.values()))

    def ready(self, host: str) -> bool:
        """Whether its turn may begin: those it gets weights from have them, or nobody is left who would."""
        missing = [one.giver for one in self._of(host) if not self._has(one)]
        if missing and host not in self._waiting:
            self._waiting.add(host)
            self._console.print(f"  {host}: waits for the weights that {', '.join(dict.fromkeys(missing))} fetches")
        return not missing

    def before(self, host: str) -> Mapping[str, str]:
        """The variables under which a host's fetch jobs ask its neighbours; servers that are needed run then."""
        asked = {}
        for one in self._of(host):
            found = self._served_by(one.giver) if self._has(one) else None
            if found and {file.sha256 for file in one.held.files} <= found.has:
                asked[one.held.volume] = found.neighbour
                self._console.print(f"  {host}: gets its weights from {one.giver}")
        if not asked:
            return {}
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(self._folder / f"{host}.json", Neighbours(volumes=asked).model_dump_json())
        return {NEIGHBOURS_VARIABLE: str(self._folder / f"{host}.json")}

    def after(self, host: str, *, well: bool) -> None:
        """A host's turn has ended. One that failed gives nothing: the next of its site fetches for the others."""
        (self._folder / f"{host}.json").unlink(missing_ok=True)
        if own := self._candidates.get(host):
            self._candidates[host] = own.with_all() if well else _unable(own)

    def over(self) -> None:
        """The hosts that were changed together have ended: nobody serves any more."""
        for host in list(self._serving):
            del self._serving[host]
            try:
                served = self._stop(self._machine(host))
                told = "stopped giving its weights away before" if served is None else "gave its neighbours"
                much = "" if served is None else f" {served / 1e6:.1f} MB of weights"
                self._console.print(f"  {host}: {told}{much}")
            except UserError as error:
                told = f"may serve its weights for up to {IDLE // 60} minutes more: {error.what}"
                self._console.print(f"  [yellow]{host}[/yellow] {told}", soft_wrap=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _of(self, host: str) -> list[Taking]:
        return [one for one in self.takings if one.host == host]

    def _has(self, one: Taking) -> bool:
        wanted = one.held.content
        return wanted is not None and self._candidates[one.giver].has(wanted)

    def _served_by(self, giver: str) -> Serving | None:
        with self._locks[giver]:
            now = time.monotonic()
            running, since = self._serving.get(giver, (None, now))
            # One that was not asked for long may have ended by itself.
            if running and now - since < IDLE / 2:
                self._serving[giver] = running, now
                return running
            address = self._fleet.host(giver).shares_on
            if address is None or self._fleet.share is None or not self._candidates[giver].able:
                return None
            try:
                started = self._start(self._machine(giver), address, self._fleet.share.port)
            except UserError as error:
                self._candidates[giver] = _unable(self._candidates[giver])
                told = f"cannot give its weights to neighbours, who fetch them themselves: {error.what}"
                self._console.print(f"  [yellow]{giver}[/yellow] {told}", soft_wrap=True)
                return None
            self._serving[giver] = started, now
            return started

    def _machine(self, host: str) -> Machine:
        return Machine(f"{self._stack}.{host}", self._project)


def _unable(candidate: Candidate) -> Candidate:
    return Candidate(candidate.host, candidate.site, False, candidate.held)
