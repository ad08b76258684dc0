"""The commands behind `make … STACK=edge`, where the stack's file describes a fleet."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from rich.console import Console

from components.settings import Fleet, SettingsError, load, load_fleet
from ops.errors import UserError
from ops.fleet import drift, kept, preflight, status
from ops.fleet.authority import Authority
from ops.fleet.choose import choose
from ops.fleet.neighbours import Sharing, candidates
from ops.fleet.overview import show
from ops.fleet.rollout import Outcome, Rolling
from ops.fleet.runs import Runs
from ops.fleet.sharing import from_neighbours
from ops.guard.confirm import VARIABLE, require_name
from ops.machine import PROJECT, Machine
from ops.secrets import given as secret

HOSTS = "HOSTS"
"""The variable that chooses hosts: names and label=value, separated by commas."""


def fleet_of(stack: str) -> Fleet | None:
    """The fleet a stack's file describes; None for one host of it, and for a file that has none or is not there."""
    try:
        return None if "." in stack else load_fleet(stack, PROJECT)
    except SettingsError:
        if (PROJECT / f"Pulumi.{stack}.yaml").exists() and _mentions_a_fleet(stack):
            raise
        return None  # The command itself says what is wrong.


def one_host(stack: str) -> str:
    """The stack, when a command can be about it alone. Raises UserError for a fleet."""
    if fleet := fleet_of(stack):
        raise UserError(
            f"'{stack}' is a fleet of {len(fleet.hosts)} hosts, and this command is about one",
            harm="nothing was done",
            fix=f"name the host: STACK={stack}.{next(iter(fleet.hosts))}",
        )
    return stack


def _mentions_a_fleet(stack: str) -> bool:
    return "slm:fleet" in (PROJECT / f"Pulumi.{stack}.yaml").read_text(errors="replace")


@dataclass(frozen=True)
class FleetCommand:
    """What may be done with a fleet; HOSTS chooses which of its hosts it is done to."""

    stack: str
    fleet: Fleet
    console: Console

    @cached_property
    def hosts(self) -> tuple[str, ...]:
        """The chosen hosts. Raises UserError."""
        return choose(self.fleet, os.environ.get(HOSTS, ""))

    @cached_property
    def _runs(self) -> Runs:
        return Runs(self.stack, self.fleet.rollout.parallel, self.console)

    def up(self) -> None:
        """Look at all chosen hosts, then deploy to those that are ready, wave by wave. Raises UserError."""
        with Machine(self.stack).lock(f"make up STACK={self.stack}"):
            self._up()

    def _up(self) -> None:
        Authority.of(self.stack, PROJECT).ensure()
        checked = preflight.check(self.stack, self.hosts, PROJECT, self._looking, self.fleet)
        sharing = Sharing(self.stack, self.fleet, candidates(self.fleet, checked), self.console, PROJECT)
        preflight.tell(checked, from_neighbours(sharing.takings), self.console)
        self._tell_left()
        out = [one.host for one in checked if not one.ready]
        ready = [one.host for one in checked if one.ready]
        if out and (self.fleet.rollout.on_unready == "stop" or not ready):
            raise UserError(
                f"{len(out)} of {len(checked)} hosts are not ready: {', '.join(out)}",
                harm="nothing was changed on any host",
                fix="mend what is said above" + (", or set rollout.on_unready: skip" if ready else ""),
            )
        turns = sharing if self.fleet.share else None
        rolling = Rolling(self.stack, self.fleet.rollout, self._runs, self.console, turns=turns)
        outcome = rolling.over(ready)
        self.console.print(status.table(status.look(self.stack, self.hosts, PROJECT, self._looking)))
        _require_all_good(self.stack, outcome, out)

    def preview(self, *, refresh: bool = False) -> int:
        """Say what `up` would change on each chosen host; with `refresh`, also what was changed there by hand.

        Gives the exit code: 1 when a host could not be asked, or policies refuse what it would become.
        """
        drifts = drift.look(self.stack, self.hosts, PROJECT, self.fleet.rollout.parallel, refresh=refresh)
        self.console.print(drift.table(drifts))
        self._tell_left()
        new = "not deployed yet"
        return 1 if any(one.problem not in ("", new) or one.refused for one in drifts) else 0

    def down(self, *, purge: bool, force: bool) -> None:
        """Take the chosen hosts' stacks down; production after the fleet's name was typed, once for all of them.

        Raises UserError naming those that stay: each host's own command asks for a backup of what it keeps.
        """
        arguments = ["down", *(["--purge"] if purge else []), *(["--force"] if force else [])]
        machine = Machine(self.stack)
        first = load(f"{self.stack}.{self.hosts[0]}", machine.project)
        require_name(self.stack, first, f"this takes down production on {len(self.hosts)} hosts", self.console)
        with machine.lock(f"make down STACK={self.stack}"):
            means_it = {host: {VARIABLE: f"{self.stack}.{host}"} for host in self.hosts}
            ran = self._runs.all(self.hosts, *arguments, said="down", environment=means_it)
        if force:
            self._show([one.output for one in ran if "left behind" in one.output])
        self._tell_left()
        if failed := [one.host for one in ran if one.code]:
            raise UserError(
                f"{len(failed)} of {len(ran)} hosts were not taken down: {', '.join(failed)}",
                harm="what runs there goes on running",
                fix=f"mend what is said above; for one that is gone for ever: make down STACK={self.stack}.{failed[0]}"
                " FORCE=1 cleans its state and lists what is left behind",
            )

    def secret(self, name: str) -> None:
        """Ask once for a secret's content, and keep it for every chosen host, encrypted. Raises UserError."""
        secret.wanted(f"{self.stack}.{self.hosts[0]}", name)
        content = secret.asked(name)
        for host in self.hosts:
            secret.keep(f"{self.stack}.{host}", name, content, self.console)

    def smoke(self) -> None:
        """Ask every model of the chosen hosts. Raises UserError."""
        ran = self._runs.all(self.hosts, "smoke", said="all checks passed")
        if failed := [one.host for one in ran if one.code]:
            raise UserError(f"checks failed on {', '.join(failed)}", fix=f"make smoke STACK={self.stack}.{failed[0]}")

    def status(self) -> int:
        """Show how the chosen hosts are. Gives the exit code: 1 when one is not as it should be."""
        states = status.look(self.stack, self.hosts, PROJECT, self._looking)
        self.console.print(status.table(states))
        self._tell_left()
        return 0 if all(state.good for state in states) else 1

    def check(self) -> int:
        """Show the description of every chosen host, without asking any. Gives the exit code."""
        return show(self.stack, self.fleet, self.hosts, PROJECT, self.console)

    @property
    def _looking(self) -> int:
        """How many hosts are looked at together: that costs this machine little."""
        return max(16, self.fleet.rollout.parallel)

    def _tell_left(self) -> None:
        for host in kept.hosts_left(self.stack, PROJECT, set(self.fleet.hosts)):
            told = f"host '{host}' was deployed from here and is not listed any more"
            self.console.print(f"  [yellow]{told}[/yellow]: make down STACK={self.stack}.{host}", soft_wrap=True)

    def _show(self, outputs: Sequence[str]) -> None:
        for output in outputs:
            self.console.print(output, markup=False, highlight=False, soft_wrap=True)


def _require_all_good(stack: str, outcome: Outcome, left_out: Sequence[str]) -> None:
    """Raise UserError unless every chosen host runs what is described."""
    parts: list[tuple[str, Sequence[str]]] = [
        ("failed", outcome.failed),
        ("rolled back", outcome.rolled_back),
        ("could not be rolled back", outcome.not_rolled_back),
        ("not reached by the rollout", outcome.untouched),
        ("left out", left_out),
    ]
    if told := [f"{what}: {', '.join(hosts)}" for what, hosts in parts if hosts]:
        raise UserError(
            "; ".join(told),
            harm=f"{len(outcome.done)} hosts run what is described, these do not",
            fix=f"mend what is said above, then make up STACK={stack} again: it goes on where it stopped",
        )


def authority(stack: str, say: Callable[[str], object] = print) -> None:
    """Print the certificate of a fleet's authority, for clients to trust. Raises UserError before the first `up`."""
    own = Authority.of(stack.partition(".")[0], PROJECT)
    if not own.certificate_file.exists():
        raise UserError(
            f"fleet '{own.name}' has no certificate authority yet", fix=f"make up STACK={own.name} makes it"
        )
    say(own.certificate_file.read_text().rstrip())
