"""The exporter that asks Ollama which models it holds in memory: Ollama has no metrics of its own (pure)."""

from __future__ import annotations

from collections.abc import Mapping

from components.workload import Image, Probe, Resources, Workload

NAME = "ollama-exporter"
PORT = 9401

_READY = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{PORT}/healthz', timeout=4)"


def workload(engines: Mapping[str, str], image: Image) -> Workload:
    """One exporter for all of a stack's Ollama servers: `engines` are their names and base URLs.

    It asks the server that `/probe?target=NAME` names, and no other address than these.
    """
    return Workload(
        name=NAME,
        image=image,
        args=("--port", str(PORT), *(f"{name}={url}" for name, url in engines.items())),
        port=PORT,
        probe=Probe(command=("python3", "-c", _READY), interval=15, timeout=5, retries=3, startup=30),
        resources=Resources(memory_mib=96, cpus=0.25, pids=32),
    )
