"""`make recover`: what an earlier run, a hand or an accident left behind, in plain words, and its repair.

What loses nothing is mended at once: a lock whose process is dead, containers of jobs that nobody waits for. What may
lose something, like forgetting a resource that is not found, is only told, and done with APPLY=1 after the state was
saved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from components.settings import Settings, load, load_overlay
from ops import cluster, docker_client, recovery
from ops.errors import UserError
from ops.machine import Machine
from ops.previewed import Preview, Step, parse
from ops.pulumi_cli import Pulumi
from ops.recovery import Lock, Operation
from ops.state import backup as state_backup

if TYPE_CHECKING:
    from docker import DockerClient

MAY_HAVE_LEFT = {
    "creating": "it may be there without being in the state: a deployment would make a second one, or fail on its name",
    "updating": "it may be as it was, as it should be, or between",
    "deleting": "it may be gone already, or still be there",
    "reading": "nothing was changed by it",
    "importing": "it may be in the state or not; the thing itself was not changed",
}
"""What a step that was cut off may have left, by what it did."""


def run(stack: str, console: Console, *, apply: bool = False) -> int:
    """Explain and repair. Gives the exit code: 1 while something is left that takes APPLY=1 or a person.

    Raises UserError when a deployment is at work, or where there is no state to look at.
    """
    machine = Machine(stack)
    settings = load(stack, machine.project, load_overlay(machine.config_path))
    if not machine.config_path.exists():
        console.print(f"stack '{stack}' was never deployed from here: there is nothing to recover")
        return 0
    with machine.lock(f"make recover STACK={stack}" + (" APPLY=1" if apply else "")):
        pulumi = Pulumi(machine)
        _require_state(pulumi)
        client = _client(settings, console)
        left = [
            *_locks(pulumi, console),
            *_jobs(client, stack, console),
            *_operations(pulumi, client, console, apply=apply),
            *_drift(pulumi, console, apply=apply),
        ]
    if not left:
        console.print(f"  stack '{stack}' is sound: next make preview STACK={stack}")
        return 0
    console.print("left to do:", *[f"  - {one}" for one in left], sep="\n", markup=False, highlight=False)
    return 1


def lock_in_words(lock: Lock | None) -> str:
    """Who holds a lock, since when, and whether that process lives."""
    if lock is None:
        return "the state is not on this machine: whether it is locked is seen by the next command that changes it"
    who = f"{lock.user} on {lock.host}, process {lock.pid}, since {lock.since}"
    if not lock.here:
        return f"locked by {who}: whether that process lives can only be seen there"
    return f"locked by {who}: " + ("it is at work" if lock.alive else "that process is dead")


def operation_in_words(one: Operation) -> str:
    """What was being done when a run was cut off, and what it may have left."""
    left = MAY_HAVE_LEFT.get(one.doing, "what became of it is not known")
    return f"cut off while {one.doing} {one.name} ({one.type}): {left}"


def drift_of(found: Preview) -> tuple[list[Step], list[Step]]:
    """What is gone, and what was changed by hand, out of the preview of a refresh."""
    gone = [step for step in found.steps if step.op == "delete"]
    changed = [step for step in found.steps if step.op == "update"]
    return gone, changed


def _require_state(pulumi: Pulumi) -> None:
    stack = pulumi.machine.stack
    if not pulumi.can_open():
        raise UserError(
            f"the passphrase of stack '{stack}' is not on this machine",
            harm="its keys and the secrets in its state cannot be read; nothing was changed",
            fix=f"put it back into .slm/{stack}/passphrase, or set PULUMI_CONFIG_PASSPHRASE_FILE",
        )
    if not pulumi.exists():
        copies = len(state_backup.copies(pulumi.machine))
        raise UserError(
            f"the state of stack '{stack}' is gone",
            harm="Pulumi knows nothing of what runs, and would make all of it a second time",
            fix=f"make state-restore STACK={stack}: there are {copies} copies"
            if copies
            else f"there is no copy; docs/operations.md says how to adopt what is there (make import STACK={stack})",
        )


def _client(settings: Settings, console: Console) -> DockerClient | None:
    if cluster.runs(settings):
        return None
    try:
        return docker_client.of(settings)
    except UserError as error:
        console.print(f"  {error.what}: what runs there is not looked at", markup=False, highlight=False)
        return None


def _locks(pulumi: Pulumi, console: Console) -> list[str]:
    stack, found = pulumi.machine.stack, recovery.locks(pulumi)
    if found is None:
        console.print(f"  {lock_in_words(None)}", markup=False, highlight=False, soft_wrap=True)
        return []
    for lock in found:
        console.print(f"  {lock_in_words(lock)}", markup=False, highlight=False, soft_wrap=True)
    recovery.release_lock(pulumi, console)
    return [
        f"ask {lock.user} whether process {lock.pid} on {lock.host} is over; if it is:"
        f' eval "$(make -s env STACK={stack})" && pulumi cancel -s {stack}'
        for lock in recovery.locks(pulumi) or ()
    ]


def _jobs(client: DockerClient | None, stack: str, console: Console) -> list[str]:
    if client and (found := recovery.half_done(client, stack)):
        recovery.sweep(client, stack)
        console.print(
            f"  removed half-done jobs: {', '.join(found)}; what they fetched is kept, make up goes on with it"
        )
    return []


def _operations(pulumi: Pulumi, client: DockerClient | None, console: Console, *, apply: bool) -> list[str]:
    found = recovery.operations(pulumi)
    for one in found:
        console.print(f"  {operation_in_words(one)}", markup=False, highlight=False, soft_wrap=True)
    if not found:
        return []
    if apply:
        state_backup.save_before_a_change(pulumi, console)
        recovery.settle(pulumi, client)
        console.print(f"  {len(found)} steps settled: Pulumi has asked what became of each")
        made = [one.name for one in found if one.doing == "creating"]
        if made and client is None:
            fix = f"make import STACK={pulumi.machine.stack} ID=… takes one over"
            console.print(f"  if one of {', '.join(made)} was made after all: {fix}", markup=False, highlight=False)
        return []
    removes = "removes what they made unnoticed, " if client else ""
    return [f"{len(found)} steps of unknown outcome: APPLY=1 {removes}asks what became of them, and forgets the others"]


def _drift(pulumi: Pulumi, console: Console, *, apply: bool) -> list[str]:
    stack = pulumi.machine.stack
    done = pulumi.run("refresh", "-s", stack, "--preview-only", "--json", "--suppress-progress")
    try:
        gone, changed = drift_of(parse(done.output) if done.code == 0 else Preview())
    except ValueError:
        gone, changed, done = [], [], type(done)(1, done.output)
    if done.code != 0:
        reason = next((line.strip() for line in done.output.splitlines() if "error" in line.lower()), "no answer")
        return [f"what really runs could not be compared with the state: {reason[:300]}"]
    for step in changed:
        fields = ", ".join(step.fields) or "its settings"
        console.print(f"  changed by hand: {step.name} ({step.type}): {fields}", markup=False, highlight=False)
    for step in gone:
        console.print(f"  gone: {step.name} ({step.type})", markup=False, highlight=False)
    if not gone and not changed:
        return []
    if apply:
        state_backup.save_before_a_change(pulumi, console)
        pulumi.check("refresh", "-s", stack, "--yes", "--skip-preview")
        console.print(f"  the state is as things are: make up STACK={stack} makes them as they are described")
        return []
    if not gone:
        return [f"changes by hand: make up STACK={stack} takes them back; APPLY=1 only writes them into the state"]
    return [
        f"{len(gone)} resources are not found: APPLY=1 takes them out of the state, make up STACK={stack} then makes"
        " them anew. When all are gone at once, the wrong cluster or engine may have answered: look first"
    ]
