"""Folders that are complete or not there."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Literal, Self

Way = Literal["official", "build"]
ORIGIN = "origin.json"
"""Beside each tool: how it was got, and how long that took."""


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
