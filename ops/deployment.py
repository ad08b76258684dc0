"""Run `pulumi up` and `destroy` so that a person can follow them: what is being done, for how long, how far."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)

from components.targets.docker.progress import PROGRESS_VARIABLE
from ops.failures import explain
from ops.pulumi_cli import Pulumi

STEPS = ("+", "-", "~", "+-", "++", "--", "-+")
FINISHED = ("created", "updated", "deleted", "replaced")
SERVICE = "-container"


class Watch:
    """Draws a running deployment: one row for Pulumi's last step, one with a bar for each job that reports bytes."""

    def __init__(self, console: Console, progress_file: Path) -> None:
        self._console, self._file = console, progress_file
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._rows: dict[str, TaskID] = {}
        self._spoken: dict[str, float] = {}
        self.served: dict[str, str] = {}

    def line(self, text: str) -> None:
        """Show a line of Pulumi's output when it tells of a finished step, or of a service that is waited for."""
        words = text.split()
        if len(words) < 5 or words[0] not in STEPS or ":" not in words[1]:
            return
        _, kind, name, doing = words[:4]
        if doing in FINISHED and not kind.startswith("slm:"):
            self._console.print(f"  [dim]{' '.join(words)}[/dim]", highlight=False, soft_wrap=True)
        elif doing == "creating" and name.endswith(SERVICE):
            self._console.print(f"  {name}: waiting until it is healthy", highlight=False, soft_wrap=True)

    def poll(self) -> None:
        """Read what jobs have reported since the last look."""
        if not self._file.exists():
            return
        lines = self._file.read_text().splitlines()
        for line in lines[self._read :]:
            self._event(line)
        self._read = len(lines)

    _read = 0

    def _event(self, line: str) -> None:
        told = json.loads(line)
        try:
            event = json.loads(told["line"])
        except ValueError:
            self._console.print(f"  [dim]{told['job']}: {told['line']}[/dim]")
            return
        kind = event.get("event")
        if kind == "progress":
            self._advance(f"{event['what']} from {event['source']}", event["done"], event["total"])
        elif kind == "done":
            self.served[told["job"]] = str(event["source"])
            self._console.print(f"  weights from {event['source']}, sha256 {str(event['sha256'])[:12]}… checked")
        elif kind == "present":
            self._console.print(f"  weights are in the volume already, sha256 {str(event['sha256'])[:12]}…")
        else:
            facts = ", ".join(f"{key} {value}" for key, value in event.items() if key != "event")
            self._console.print(f"  [dim]{told['job']}: {kind} {facts}[/dim]")

    def _advance(self, what: str, done: int, total: int) -> None:
        if not self._console.is_terminal:
            if time.monotonic() - self._spoken.get(what, 0) > 10 or done == total:
                self._spoken[what] = time.monotonic()
                self._console.print(f"  {what}: {done / 1e6:.0f} of {total / 1e6:.0f} MB")
            return
        if what not in self._rows:
            self._rows[what] = self._progress.add_task(f"  {what}", total=total or None)
        self._progress.update(self._rows[what], completed=done)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Poll the progress file in the background until the block ends."""
        self._file.unlink(missing_ok=True)
        stop = threading.Event()

        def loop() -> None:
            while not stop.wait(0.3):
                self.poll()

        thread = threading.Thread(target=loop, daemon=True)
        with self._progress:
            thread.start()
            try:
                yield
            finally:
                stop.set()
                thread.join()
                self.poll()


def apply(
    pulumi: Pulumi,
    console: Console,
    *arguments: str,
    on_interrupt: Callable[[], object] = lambda: None,
    extra: Mapping[str, str] | None = None,
    plan: Path | None = None,
) -> Watch:
    """Run a changing Pulumi command to its end; `on_interrupt` and `extra` as in Pulumi.run.

    With a `plan` that a preview saved, whatever exceeds it fails. Raises UserError with an explanation when it fails.
    """
    watch = Watch(console, pulumi.machine.progress_file)
    with watch.watching():
        result = pulumi.run(
            *arguments,
            *(["--plan", str(plan.resolve())] if plan else []),
            "-s",
            pulumi.machine.stack,
            "--yes",
            "--color",
            "never",
            on_line=watch.line,
            on_interrupt=on_interrupt,
            # Pulumi offers plans among its experiments.
            extra={
                PROGRESS_VARIABLE: str(pulumi.machine.progress_file),
                **({"PULUMI_EXPERIMENTAL": "true"} if plan else {}),
                **(extra or {}),
            },
        )
    if result.code != 0:
        raise explain(pulumi.machine.stack, arguments[0], result.output)
    return watch
