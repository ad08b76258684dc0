"""Audit notes in a stack's log store: what was noted since the last time goes to its Loki, as `{workload="audit"}`.

The file of notes stays what counts: a command never fails because its notes could not be sent, and a later one sends
them. How far they were sent is kept beside the stack's other state, so that nothing is sent twice.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from components.monitoring import loki
from components.settings import Settings, load, load_overlay
from components.workload import Value
from ops import inside
from ops.audit import notes as audit
from ops.errors import UserError
from ops.inside import Inside
from ops.machine import STATE_DIRECTORY, Machine, write_private

NOTES = f"{STATE_DIRECTORY}/{audit.FILE}"
PUSH = f"http://{loki.NAME}:{loki.PORT}/loki/api/v1/push"
WORKLOAD = "audit"
STREAM = "file"
"""Where a line was written, as the collector tells of standard output and errors."""

POSITION = "audit-shipped"
"""The file, in the stack's folder, that says up to which byte notes were sent."""

POST_SECONDS = 5
PATIENCE = 10
"""Seconds after which no further batch is begun: the command has done its work, and a person waits."""

BATCH_BYTES = 6 * 1024
"""A batch is an argument of a program, and on clusters part of an address, which proxies cut or refuse when long."""


class Note(Value):
    """A line of the file as it was written, and when. `end` is the byte of the file that comes after it."""

    at: datetime
    line: str
    end: int


class Pending(Value):
    """Notes of one stack that were not sent yet, oldest first. `end` is where the next look at the file begins.

    `unreadable` are lines that are no notes: somebody has changed the file.
    """

    notes: tuple[Note, ...]
    end: int
    unreadable: int = 0


@contextmanager
def sent_afterwards(machine: Machine) -> Iterator[None]:
    """Send the stack's notes once the block has ended, well or with an error, but not when it was interrupted."""
    try:
        yield
    except Exception:
        send(machine)
        raise
    send(machine)


def send(machine: Machine, say: Callable[[str], object] | None = None) -> None:
    """Send what waits, and say what could not be sent, by default to standard error. Raises nothing."""
    tell = say or (lambda text: print(f"  audit     {text}", file=sys.stderr))
    try:
        settings = load(machine.stack, machine.project, load_overlay(machine.config_path))
        own = settings.monitoring
        if own is None or own.managed:
            return
        for sentence in deliver(machine, settings, own.retention.logs_days, inside.of):
            tell(sentence)
    # The command has ended, and must not look as if it had failed because of what is told of it.
    except Exception as error:
        tell(f"notes wait in {NOTES} for the log store: {type(error).__name__}: {str(error).partition(chr(10))[0]}")


def deliver(
    machine: Machine,
    settings: Settings,
    days: int,
    way: Callable[[Settings, str, int], Inside],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[str]:
    """Send what waits; gives a sentence for all that is left out or goes on waiting. Lines are kept for `days`."""
    file = machine.project / NOTES
    position = machine.config_path.with_name(POSITION)
    found = pending(file, _read(position, file), machine.stack)
    if found.unreadable:
        yield f"lines of {NOTES} that are no notes and stay there: {found.unreadable}"
    oldest = now() - timedelta(days=days)
    young = [note for note in found.notes if note.at > oldest]
    if old := len(found.notes) - len(young):
        yield f"notes that stay in {NOTES} alone, since the log store takes none that is {days} days old: {old}"
    begin, left = clock(), len(young)
    for batch in batches(young):
        if clock() - begin > PATIENCE:
            yield f"notes that go to the log store with the next command, since it takes them slowly: {left}"
            return
        try:
            way(settings, machine.stack, POST_SECONDS).post(PUSH, push(batch))
        except inside.Refused as refused:
            # It takes what it can of a batch, and would refuse the rest for ever.
            yield f"notes of which the log store did not take all: {len(batch)} ({refused.what})"
        except UserError as error:
            yield f"notes that wait in {NOTES} for the log store: {left} ({error.what})"
            return
        left -= len(batch)
        _remember(position, batch[-1].end)
    _remember(position, found.end)


def pending(file: Path, begin: int, stack: str) -> Pending:
    """The stack's notes from byte `begin` of the file on. A line without its end is still being written."""
    if not file.exists():
        return Pending(notes=(), end=0)
    with file.open("rb") as stream:
        stream.seek(begin)
        data = stream.read()
    notes, end, unreadable = list[Note](), begin, 0
    for line in data[: data.rfind(b"\n") + 1].splitlines(keepends=True):
        end += len(line)
        try:
            note = json.loads(line)
            mine, at = note["stack"] == stack, datetime.fromisoformat(note["time"]).astimezone(UTC)
        except (ValueError, KeyError, TypeError):
            unreadable += 1
            continue
        if mine:
            notes.append(Note(at=at, line=line.decode(errors="replace").rstrip("\n"), end=end))
    return Pending(notes=tuple(notes), end=end, unreadable=unreadable)


def batches(notes: Sequence[Note]) -> Iterator[list[Note]]:
    """The notes in parts that are small enough to be sent at once."""
    some, size = list[Note](), 0
    for note in notes:
        if some and size + len(note.line) > BATCH_BYTES:
            yield some
            some, size = [], 0
        some.append(note)
        size += len(note.line)
    if some:
        yield some


def push(notes: Sequence[Note]) -> str:
    """What Loki's push API is given. Each machine is a stream of its own: Loki takes no line much older than its
    stream's newest, and another machine's notes may come late.
    """
    labels = {"workload": WORKLOAD, "stream": STREAM, "machine": platform.node() or "unknown"}
    values = [[f"{_nanoseconds(note.at)}", note.line] for note in notes]
    return json.dumps({"streams": [{"stream": labels, "values": values}]})


def _nanoseconds(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def _read(position: Path, file: Path) -> int:
    """Where to go on: at the beginning of a file that is another one than the position is of."""
    try:
        begin = int(position.read_text())
        with file.open("rb") as stream:
            stream.seek(max(begin - 1, 0))
            return begin if stream.read(1) == b"\n" else 0
    except (OSError, ValueError):
        return 0


def _remember(position: Path, end: int) -> None:
    # The folder of a stack that was purged must not come back.
    if position.parent.exists():
        write_private(position, f"{end}\n")
