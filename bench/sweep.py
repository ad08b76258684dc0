"""How long the sweeper takes over many stacks: a dry run, and a run that removes them (`python -m bench.sweep`)."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import typer
from rich.console import Console

from components.settings.review import Review, stack_of
from ops.sweep.backend import Backend, opened
from ops.sweep.command import run

FIRST = 980000
WRITER = "v3.259.0"
MAGIC = hashlib.sha256(WRITER.encode()).hexdigest()


def made(backend: Backend, number: int) -> None:
    """A review stack with one resource that is removed without asking anybody: what is left is Pulumi's own time."""
    stack, now = stack_of(number), datetime.now(UTC)
    review = Review(
        owner="bench", pull_request=number, created=now - timedelta(days=3), expires=now - timedelta(days=1)
    )
    urn = f"urn:pulumi:{stack}::slm::slm:bench:Thing::thing"
    rows = [{"urn": urn, "custom": False, "type": "slm:bench:Thing"}]
    manifest = {"time": now.isoformat(), "magic": MAGIC, "version": WRITER}
    document = json.dumps({"version": 3, "deployment": {"manifest": manifest, "resources": rows}})
    for arguments, stdin in (
        (("stack", "init"), ""),
        (("stack", "import", "--force"), document),
        *((("stack", "tag", "set", f"slm:{key}", str(value)), "") for key, value in review.told().items()),
    ):
        subprocess.run(
            ["pulumi", *arguments, "-s", stack, "--non-interactive"],
            cwd=backend.folder,
            env=backend.environment(stack),
            input=stdin,
            text=True,
            capture_output=True,
            check=True,
        )


def main(stacks: int = 50) -> None:
    """Make so many stacks on a backend of a folder, look at them, and sweep them; print the seconds of each."""
    os.environ.update({"PULUMI_CONFIG_PASSPHRASE": "bench"})
    os.environ.pop("PULUMI_BACKEND_URL", None)
    with tempfile.TemporaryDirectory(prefix="slm-bench-") as folder:
        project = Path(folder)
        (project / ".slm" / "state").mkdir(parents=True)
        with opened(project) as backend, ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: made(backend, number), range(FIRST, FIRST + stacks)))
        for what, apply in (("looked at", False), ("removed", True)):
            said, begun = io.StringIO(), time.monotonic()
            code = run(project, Console(file=said, width=160), still_open="none", apply=apply)
            seconds = time.monotonic() - begun
            print(f"{stacks} stacks {what} in {seconds:.1f} s ({seconds / stacks:.2f} s each), exit code {code}")


if __name__ == "__main__":
    typer.run(main)
