"""Folders that are complete or not there."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Literal, Self

Way = Literal["official", "build"]
ORIGIN = "origin.json"
"""Beside each tool: how it was got, and how long that took."""


GONE = ".gone-"
"""How the name of a folder begins that is being removed."""


def discard(folder: Path) -> None:
    """Take a folder out of the way at once, and remove it after this program: that takes minutes with a million files.

    What an earlier removal left beside it, because the machine went down, is removed as well.
    """
    if folder.exists():
        folder.rename(Path(tempfile.mkdtemp(prefix=GONE, dir=folder.parent)) / folder.name)
    if leftovers := [str(one) for one in folder.parent.glob(f"{GONE}*")]:
        # In the background of a shell that ends: nobody has to wait for it, and Ctrl-C does not reach it.
        script = 'nice rm -rf -- "$@" </dev/null >/dev/null 2>&1 &'
        subprocess.run(["sh", "-c", script, "sh", *leftovers], check=False, start_new_session=True)


class Staging:
    """A folder that takes its final name when it is complete, and vanishes when it is not."""

    def __init__(self, final: Path) -> None:
        self.final = final

    def __enter__(self) -> Self:
        self.final.parent.mkdir(parents=True, exist_ok=True)
        self.path = Path(tempfile.mkdtemp(prefix=".part-", dir=self.final.parent))
        self.path.chmod(0o755)
        return self

    def keep(self, *, way: Way, source: str, seconds: float) -> None:
        """Call it complete."""
        stamp = {"way": way, "from": source, "seconds": f"{seconds:.1f}", "on": time.strftime("%Y-%m-%d")}
        (self.path / ORIGIN).write_text(json.dumps(stamp) + "\n")
        self.path.rename(self.final)

    def __exit__(self, *error: object) -> None:
        if self.path.exists():
            shutil.rmtree(self.path, ignore_errors=True)
