"""Which ports are taken where a review stack will run: its Docker engine knows, and on this machine the kernel."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.settings.review import stack_of
from components.yaml_file import YamlError, read
from ops.review.ports import PUBLISHED

if TYPE_CHECKING:
    from docker import DockerClient

LABEL = "slm.stack"


def taken_by_others(client: DockerClient, pull_request: int, project: Path, *, here: bool) -> Callable[[int], bool]:
    """Whether a port belongs to anybody but this pull request's stack; `here`: the engine is this machine's own."""
    stack = stack_of(pull_request)
    own, others = set[int](), set[int]()
    for container in client.containers.list(all=True, ignore_removed=True):
        found = set(_bound(container.attrs))
        (own if container.labels.get(LABEL) == stack else others).update(found)
    for path in project.glob("Pulumi.pr-*.yaml"):
        if path.name != f"Pulumi.{stack}.yaml":
            others.update(described(path))

    def taken(port: int) -> bool:
        return port in others or (here and port not in own and not _free(port))

    return taken


def own_port(client: DockerClient, pull_request: int, project: Path) -> int | None:
    """A port that the stack of this pull request has already, by its description or by what runs."""
    path = project / f"Pulumi.{stack_of(pull_request)}.yaml"
    for port in described(path) if path.exists() else ():
        return port
    label = f"{LABEL}={stack_of(pull_request)}"
    running = client.containers.list(all=True, filters={"label": label}, ignore_removed=True)
    return min((port for container in running for port in _bound(container.attrs)), default=None)


def described(path: Path) -> Iterator[int]:
    """The ports that a review stack's description publishes; none where it cannot be read."""
    try:
        config = read(path).get("config") or {}
    except YamlError:
        return
    for section, *below in PUBLISHED:
        value: Any = config.get(f"slm:{section}")
        for key in (*below, "port"):
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, int):
            yield value


def _bound(attrs: dict[str, Any]) -> Iterator[int]:
    """Ports that a container publishes, or would when it is started again."""
    bindings = (attrs.get("HostConfig") or {}).get("PortBindings") or {}
    for entries in bindings.values():
        for entry in entries or ():
            if entry.get("HostPort"):
                yield int(entry["HostPort"])


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
