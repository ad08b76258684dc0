"""Runs inside the container: gives Open WebUI its secrets from files, then serves it.

Open WebUI reads secrets from variables only. They are set in this process and not in the container's description, where
`docker inspect` and every process of the container would show them. Exit code 78 when a file is missing or empty.
"""

from __future__ import annotations

import argparse
import logging
import os
import ssl
import sys
from collections.abc import Callable
from pathlib import Path

import uvicorn

FILES = Path("/etc/slm")
VARIABLES = {"api-key": "OPENAI_API_KEYS", "admin-password": "WEBUI_ADMIN_PASSWORD", "secret-key": "WEBUI_SECRET_KEY"}
EX_CONFIG = 78


def read_secrets(folder: Path) -> None:
    """Set a variable for each secret file. Exits where one has no content: Open WebUI would make up its own."""
    for file, variable in VARIABLES.items():
        try:
            value = (folder / file).read_text().strip()
        except OSError as error:
            value, reason = "", str(error)
        else:
            reason = "it is empty"
        if not value:
            print(f"Open WebUI is not started: {folder / file} cannot be used ({reason})", file=sys.stderr)
            sys.exit(EX_CONFIG)
        os.environ[variable] = value


def tls_context(minimum: str) -> Callable[[uvicorn.Config, Callable[[], ssl.SSLContext]], ssl.SSLContext]:
    """Makes uvicorn's TLS context refuse versions below `minimum` ("1.2" or "1.3")."""

    def make(_config: uvicorn.Config, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        context = default()
        context.minimum_version = ssl.TLSVersion[f"TLSv{minimum.replace('.', '_')}"]
        return context

    return make


def main() -> None:
    """Serve until a signal, then finish running answers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--drain", type=int, required=True, help="seconds running answers may take after SIGTERM")
    parser.add_argument("--tls", help="oldest version of TLS; plain HTTP without it")
    given = parser.parse_args()
    # A line for each health check would bury those about people's requests.
    logging.getLogger("uvicorn.access").addFilter(lambda record: "/ready " not in record.getMessage())
    # What it writes down is people's: readable by nobody else on a shared volume.
    os.umask(0o077)
    read_secrets(FILES)
    # The official image has the program in its working directory, the site's build among its packages.
    sys.path.insert(0, str(Path.cwd()))
    uvicorn.run(
        "open_webui.main:app",
        host="0.0.0.0",
        port=given.port,
        # What a client says about itself in forwarded headers is not believed: no proxy of ours stands before it.
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=given.drain,
        ssl_certfile=FILES / "tls.pem" if given.tls else None,
        ssl_keyfile=FILES / "tls.pem.key" if given.tls else None,
        ssl_context_factory=tls_context(given.tls) if given.tls else None,
    )


if __name__ == "__main__":
    main()
