"""The bundle's tools in the cache, where tools/installer.py and tools/bootstrap.py look for them."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path


def install(bundled: Path, cache: Path) -> list[str]:
    """Put each `<tool>/<version>` below `bundled` into the cache, unless it has it; gives those that are new.

    A folder of the cache is complete or not there, so what an interrupted run has left is no tool.
    """
    new = []
    for folder in sorted(bundled.glob("*/*")):
        final = cache / "tools" / folder.parent.name / folder.name
        if final.exists():
            continue
        final.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=final.parent))
        try:
            part.chmod(0o755)
            # Copies, not links: what uses the cache must not be able to change what was verified.
            shutil.copytree(folder, part, dirs_exist_ok=True)
            os.sync()
            part.rename(final)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        new.append(f"{folder.parent.name} {folder.name}")
    return new
