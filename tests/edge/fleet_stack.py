"""The project with a fleet of its own: the test hosts, and a model of three megabytes that answers every question."""

from __future__ import annotations

import shutil
import ssl
from pathlib import Path
from typing import Any

import httpx
import yaml

from rehearsal.hosts import Fleet, Host
from tests.docker import tiny_model
from tests.docker.half_hub import Hub
from tests.docker.project import Project

STACK = "test-edge"
PORT = 8443
ENGINE = {"kind": "ollama", "target": "site", "model": tiny_model.NAME, "cpus": 1, "parallel": 2, "startup": 90}
ROLLOUT = {"canary": 1, "percent": [100], "parallel": 2}


def described(host: Host) -> dict[str, Any]:
    """A host as a fleet's file has it."""
    site = host.name.partition("-")[0]
    return {"address": host.address, "host_key": host.host_key, "labels": {"site": site}}


def declare(folder: Path, fleet: Fleet, stack: str = STACK, hub: Hub | None = None) -> Project:
    """A copy of the project whose only fleet is made of the test hosts; nothing is deployed yet.

    The weights are copied from this machine, or come from `hub`, once to a site.
    """
    project = Project.copy(folder / "project", stack)
    file = tiny_model.write(folder)
    model = tiny_model.described(file, *([hub.source(file)] if hub else []))
    share = {"share": {"label": "site"}} if hub else {}
    # The fleet's own folder has a name made by chance, which a stack file takes for a secret.
    key_file = shutil.copy(fleet.key_file, folder / "fleet-key")
    common = {"user": Host.user, "port": Host.port, "key_file": str(key_file)}
    config = {
        "slm:fleet": {"defaults": common, "hosts": {h.name: described(h) for h in fleet}, "rollout": ROLLOUT, **share},
        "slm:targets": {"site": {"kind": "docker"}},
        "slm:engines": {"chat": ENGINE},
        "slm:models": {tiny_model.NAME: model},
        "slm:gateway": {
            "target": "site",
            "port": PORT,
            "drain_seconds": 2,
            "tls": {"certificate": "cert", "key": "cert-key"},
        },
    }
    project.file.write_text(yaml.safe_dump({"config": config}, sort_keys=False))
    return project


def clear(host: Host) -> None:
    """A host as it was before any deployment, switched on; images stay."""
    if not host.is_on:
        host.power_on()
        host.wait_until_up()
    client = host.docker()
    try:
        for container in client.containers.list(all=True):
            container.remove(force=True)
        for volume in client.volumes.list():
            volume.remove(force=True)
        client.networks.prune()
    finally:
        client.close()


def of_host(project: Project, host: Host) -> Project:
    """The stack of one host of the project's fleet."""
    return Project(project.folder, f"{project.stack}.{host.name}", PORT)


def serves(project: Project, host: Host) -> bool:
    """Whether a client that trusts the fleet's authority, and nobody else, gets a right answer from a host's stack."""
    authority = project.folder / ".slm" / project.stack.partition(".")[0] / "ca/ca.pem"
    key = list(project.keys().values())[-1]
    body = {"model": tiny_model.NAME, "messages": [{"role": "user", "content": "What is 240 / 3?"}], "max_tokens": 8}
    trusted = ssl.create_default_context(cafile=str(authority))
    with httpx.Client(verify=trusted, trust_env=False, timeout=60) as client:
        url = f"https://{host.address}:{PORT}/v1/chat/completions"
        said = client.post(url, json=body, headers={"Authorization": f"Bearer {key}"})
    return said.status_code == 200 and "80" in said.json()["choices"][0]["message"]["content"]
