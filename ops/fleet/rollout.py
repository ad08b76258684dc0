"""A change goes over a fleet in waves; what fails is rolled back to what ran there before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from components.settings.fleet import Rollout
from ops.errors import UserError
from ops.fleet import kept
from ops.fleet.choose import waves
from ops.fleet.runs import Runs, Turns
from ops.machine import PROJECT, Machine


@dataclass
class Outcome:
    """What became of each host, by name."""

    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    rolled_back: list[str] = field(default_factory=list)
    not_rolled_back: list[str] = field(default_factory=list)
    untouched: list[str] = field(default_factory=list)


class Rolling:
    """One rollout over hosts of the fleet `stack`; `turns` decides whose turn it is within a wave."""

    def __init__(
        self,
        stack: str,
        rollout: Rollout,
        runs: Runs,
        console: Console,
        project: Path = PROJECT,
        turns: Turns | None = None,
    ) -> None:
        self._stack, self._rollout, self._runs, self._console = stack, rollout, runs, console
        self._project, self._turns = project, turns

    def over(self, hosts: Sequence[str]) -> Outcome:
        """Change the hosts, wave by wave. A failure ends it after this wave, or not, as the rollout says."""
        outcome, planned = Outcome(), waves(hosts, self._rollout)
        for number, wave in enumerate(planned, start=1):
            self._console.print(f"wave {number} of {len(planned)}: {', '.join(wave)}")
            for host in wave:
                kept.remember(self._machine(host))
            failed = self._change(wave)
            outcome.failed += failed
            stops = self._rollout.on_failure == "stop"
            if failed:
                self._back(wave if stops else failed, failed, outcome)
            outcome.done += [host for host in wave if host not in failed and host not in outcome.rolled_back]
            if failed and stops:
                outcome.untouched = [host for later in planned[number:] for host in later]
                break
        return outcome

    def _change(self, wave: Sequence[str]) -> list[str]:
        """The hosts of the wave that could not be changed, or do not answer well enough afterwards."""
        changing = self._runs.all(wave, "up", said="up, and its model has answered", turns=self._turns)
        failed = [ran.host for ran in changing if ran.code]
        changed = [host for host in wave if host not in failed]
        if failed and self._rollout.on_failure == "stop":
            return failed
        questions, most = str(self._rollout.questions), str(self._rollout.error_percent)
        asked = self._runs.all(
            changed, "gate", "--questions", questions, "--error-percent", most, said=f"{questions} questions answered"
        )
        return failed + [ran.host for ran in asked if ran.code]

    def _back(self, hosts: Sequence[str], failed: Sequence[str], outcome: Outcome) -> None:
        """Roll hosts back to what ran on them before this rollout."""
        possible = [host for host in hosts if kept.before(self._machine(host)).exists()]
        first = [host for host in hosts if host not in possible]
        for host in first:
            if host in failed:
                self._console.print(f"  {host}: nothing ran there before, so it is left as it is, to be looked at")
        outcome.not_rolled_back += [host for host in first if host in failed]
        if not possible:
            return
        self._console.print(f"rolling back: {', '.join(possible)}")
        environment: dict[str, dict[str, str]] = {}
        for host in possible:
            try:
                environment[host] = kept.put_back(self._machine(host))
            except UserError as error:  # somebody else is changing it at this moment
                self._console.print(f"  [red]{host}[/red]: {error.what}", soft_wrap=True)
        ran = self._runs.all(list(environment), "up", said="runs what it ran before", environment=environment)
        outcome.rolled_back += [one.host for one in ran if one.code == 0]
        outcome.not_rolled_back += [host for host in possible if host not in outcome.rolled_back]

    def _machine(self, host: str) -> Machine:
        return Machine(f"{self._stack}.{host}", self._project)
