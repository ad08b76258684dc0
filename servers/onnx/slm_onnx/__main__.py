"""`python -m slm_onnx`: serve one model folder. Exit codes: 0 stopped, 1 the model failed, 2 it cannot be served."""

from __future__ import annotations

import logging
import os
import sys

from pydantic import ValidationError

from . import lifecycle, logs, settings
from .app import build
from .folder import FolderError


def main() -> int:
    """Run the server."""
    try:
        chosen = settings.read(sys.argv[1:], os.environ)
    except ValidationError as error:
        for problem in error.errors():
            place = ".".join(str(part) for part in problem["loc"])
            print(f"setting {place}: {problem['msg']}", file=sys.stderr)
        return 2
    logs.set_up(chosen.log_level)
    try:
        server = build(chosen)
    except FolderError as error:
        logging.getLogger("slm_onnx").error("cannot serve", extra={"reason": str(error)})
        return 2
    return 0 if lifecycle.serve(server, chosen.host, chosen.port, chosen.drain_seconds) else 1


if __name__ == "__main__":
    sys.exit(main())
