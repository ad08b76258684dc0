"""What jobs say while they run: to a file where a deployment is drawn from it, else to Pulumi's own log."""

from __future__ import annotations

import json
import os
from pathlib import Path

PROGRESS_VARIABLE = "SLM_PROGRESS_FILE"
"""Names the file to which a JSON object with `job` and `line` is appended for each line of a running job."""


def report(job: str, line: str) -> None:
    """Pass one line of a job on."""
    if path := os.environ.get(PROGRESS_VARIABLE):
        with Path(path).open("a") as file:
            file.write(json.dumps({"job": job, "line": line}) + "\n")
    elif '"progress"' not in line:
        import pulumi

        pulumi.log.info(f"{job}: {line}")
