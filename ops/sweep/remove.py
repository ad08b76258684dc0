"""Remove one stack, by its state alone; what cannot be removed becomes a list of what a person must do."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from components.settings.review import pull_request_of
from ops import recovery
from ops.audit import notes as audit
from ops.errors import UserError
from ops.machine import STATE_DIRECTORY
from ops.pulumi_cli import Result
from ops.review.rules import Rules
from ops.sweep import causes, docker_left
from ops.sweep.backend import Backend
from ops.sweep.contents import Contents, contents
from ops.sweep.locks import living, locks
from ops.sweep.stack import Found

if TYPE_CHECKING:
    from docker import DockerClient

Engine = Callable[[Backend, Found, Contents], "DockerClient"]
DESTROY = ("destroy", "--yes", "--skip-preview", "--run-program=false", "--exclude-protected", "--continue-on-error")
"""The program of the stack's branch may be broken, or gone: the state says what to remove."""


@dataclass
class Outcome:
    """What became of one stack: `did` for whoever reads the report, `todo` for whoever must act.

    `removed` says that the stack is gone, with its state; somebody may still have to look for what nobody knows of.
    """

    stack: str
    did: list[str] = field(default_factory=list)
    todo: list[str] = field(default_factory=list)
    seconds: float = 0
    removed: bool = False


@dataclass(frozen=True)
class Remover:
    """Removes stacks of one backend. Of a stack in `forget`, the state goes too where its place does not answer."""

    backend: Backend
    rules: Rules
    forget: frozenset[str] = frozenset()
    engine: Engine = docker_left.client_of

    def remove(self, stack: Found) -> Outcome:
        """Remove the stack; never raises for the state it is in."""
        begun, outcome = time.monotonic(), Outcome(stack.name)
        if pull_request_of(stack.name) is None:
            raise ValueError(f"{stack.name} is no review stack")
        home = self.backend.project / STATE_DIRECTORY / stack.name
        try:
            with audit.noted(home.parent / audit.FILE, stack.name, "make sweep"):
                if home.is_dir():
                    with FileLock(home / "lock", timeout=0):
                        self._remove(stack, outcome)
                else:
                    self._remove(stack, outcome)
        except Timeout:
            outcome.todo.append("another command changes it at this moment: run make sweep again when that has ended")
        if outcome.removed:
            shutil.rmtree(home, ignore_errors=True)
            (self.backend.project / f"Pulumi.{stack.name}.yaml").unlink(missing_ok=True)
        outcome.seconds = round(time.monotonic() - begun, 1)
        return outcome

    def _remove(self, stack: Found, outcome: Outcome) -> None:
        held, refused = self._held(stack.name)
        if held is None:
            outcome.todo += causes.explain(stack.name, refused, Contents())
            return
        if held.has_docker and not held.remote and stack.host not in (None, socket.gethostname()):
            self._elsewhere(stack, held, outcome)
            return
        if held.has_docker:
            # The provider must reach the same engine; one that does not answer is told of by the destroy.
            with suppress(UserError):
                self.engine(self.backend, stack, held)
        done = self._destroy(stack.name, outcome)
        if outcome.todo:
            return
        left, refused = self._held(stack.name)
        if left is None:
            outcome.todo += causes.explain(stack.name, refused, held)
        elif left.protected:
            outcome.todo += causes.protected(stack.name, left)
            outcome.todo += causes.explain(stack.name, done.output, left) if done.code != 0 else []
        elif left.items and not self._by_label(stack, held, left, outcome):
            self._give_up(stack.name, done, left, outcome)
        elif not left.items and held.has_docker:
            self._what_pulumi_does_not_know(stack, held, outcome)
        if not outcome.todo:
            self._take_state_away(stack.name, held, outcome)

    def _held(self, stack: str) -> tuple[Contents | None, str]:
        """What the state holds; None, and what Pulumi said, where it cannot be read."""
        done = self.backend.run("stack", "export", stack=stack, quiet=True)
        if done.code != 0:
            return None, done.output
        return contents(json.loads(done.output).get("deployment") or {}), ""

    def _elsewhere(self, stack: Found, held: Contents, outcome: Outcome) -> None:
        """It runs on another machine's own Docker engine: this machine's engine would say that nothing is there."""
        if stack.name in self.forget:
            outcome.did.append(f"its state was forgotten; on machine {stack.host} may still be")
            outcome.did += causes.still_there(held.items)
            self._take_state_away(stack.name, held, outcome)
            return
        outcome.todo.append(
            f"it runs on the Docker engine of machine {stack.host}: run make sweep APPLY=1 there; is that machine gone"
            f" for ever: make sweep APPLY=1 FORGET={stack.name}"
        )

    def _destroy(self, stack: str, outcome: Outcome) -> Result:
        """Run Pulumi's destroy; a lock of a dead job is taken away first, one of a living job is respected."""
        for _ in range(2):
            done = self.backend.run(*DESTROY, stack=stack, seconds=self.rules.destroy_minutes * 60)
            held = locks(done.output)
            if not held:
                break
            now = datetime.now(UTC)
            if alive := living(held, socket.gethostname(), recovery.pulumi_runs, now, self.rules.lock_hours):
                outcome.todo.append(
                    f"{alive[0].words} holds its lock: wait for it to end, then run make sweep again; a lock from"
                    f" another machine counts as dead after {self.rules.lock_hours:g} h; by hand: pulumi cancel {stack}"
                )
                break
            outcome.did.append(f"took away the lock of {held[0].words}, which is dead")
            self.backend.run("cancel", stack, "--yes")
        return done

    def _by_label(self, stack: Found, held: Contents, left: Contents, outcome: Outcome) -> bool:
        """Whether what is left was removed on its Docker engine, without Pulumi: passphrase, plugin or host are not as
        they were, and the engine answers."""
        if not left.docker_only:
            return False
        try:
            gone = docker_left.remove(self.engine(self.backend, stack, held), stack.name)
        except UserError:
            return False
        except docker_left.Refused as error:
            outcome.todo.append(f"the Docker engine refuses: {error}")
            return True
        outcome.did.append("Pulumi could not remove it, so its Docker engine was told to, by the stack's label")
        outcome.did += [f"removed {one}" for one in gone]
        return True

    def _what_pulumi_does_not_know(self, stack: Found, held: Contents, outcome: Outcome) -> None:
        """Remove what a killed run made without writing it down, and volumes that outlive a teardown."""
        try:
            gone = docker_left.remove(self.engine(self.backend, stack, held), stack.name)
            outcome.did += [f"removed {one}" for one in gone]
        except UserError as error:
            outcome.todo.append(
                f"volumes may still be there, and {error.what}: docker volume rm $(docker volume ls -q --filter"
                f" label=slm.stack={stack.name})"
            )
        except docker_left.Refused as error:
            outcome.todo.append(f"the Docker engine refuses: {error}")

    def _give_up(self, stack: str, done: Result, left: Contents, outcome: Outcome) -> None:
        if stack in self.forget:
            outcome.did.append("its place does not answer, and its state was forgotten; what may still be there:")
            outcome.did += causes.still_there(left.items)
            return
        outcome.todo += causes.explain(stack, done.output, left)

    def _take_state_away(self, stack: str, held: Contents, outcome: Outcome) -> None:
        unknown = [item.words for item in held.pending if not item.type.startswith("docker:")]
        done = self.backend.run("stack", "rm", stack, "--yes", "--force", "--remove-backups")
        if done.code != 0:
            outcome.todo += causes.explain(stack, done.output, Contents())
            return
        outcome.removed = True
        outcome.did.append(f"removed its {held.resources} resources and its state")
        outcome.todo += [f"a killed run may have made {words}: look whether it is there" for words in unknown]
