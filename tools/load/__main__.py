"""`python3 -m tools.load`, and the beginning of load.pyz: goes on under a Python that is new enough."""

from __future__ import annotations

import sys
from pathlib import Path

from tools import bootstrap


def main() -> int:
    """Run the command, or say what to install. Nothing that an old python3 could not read is imported before."""
    arguments = sys.argv[1:]
    if Path(sys.argv[0]).name == "__main__.py":
        sys.argv[:1] = ["-m", "tools.load"]  # What a newer Python is started with: this file is no program of its own.
    try:
        bootstrap.require_python()
    except bootstrap.Stop as error:
        bootstrap.say("error: {}".format(error))  # noqa: UP032
        return 1
    from tools.load.command import main as command

    return command(arguments)


if __name__ == "__main__":
    sys.exit(main())
