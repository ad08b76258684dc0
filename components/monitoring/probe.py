"""How a target asks a part of monitoring whether it serves (pure)."""

from __future__ import annotations

from components.workload import Probe


def http_probe(port: int, path: str, startup: int = 60) -> Probe:
    """Asks with wget, which BusyBox has: the official images are made of it, and the site's builds have it."""
    url = f"http://127.0.0.1:{port}{path}"
    return Probe(
        command=("wget", "-q", "-T", "4", "-O", "/dev/null", url), interval=10, timeout=5, retries=3, startup=startup
    )


def bash_probe(port: int, path: str, startup: int = 60) -> Probe:
    """Asks with Bash alone, for an image that has no program that speaks HTTP."""
    ask = (
        f"exec 3<>/dev/tcp/127.0.0.1/{port} && printf 'GET {path} HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3"
        ' && read -r -t 3 _ status _ <&3 && [ "$status" = 200 ]'
    )
    return Probe(command=("bash", "-c", ask), interval=10, timeout=5, retries=3, startup=startup)
