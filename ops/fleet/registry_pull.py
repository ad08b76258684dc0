"""A host gets an image from the registry on this machine, over a link that may fail at any time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import tenacity

from components.targets.docker.ssh_errors import PASSING, SshError
from components.targets.spec import Docker
from components.workload import Value
from ops.errors import UserError
from ops.fleet.registry import LOOPBACK
from ops.fleet.registry_kept import lacking_of, mark_arrived, remove_steps
from ops.fleet.registry_line import Line
from ops.fleet.registry_steps import Offer, Step

if TYPE_CHECKING:
    from docker import DockerClient

PATIENCE = 900.0
"""Seconds without a byte more after which a host is given up."""

PASSES = PASSING | {"ssh"}
"""Here what OpenSSH says in words nobody knows is tried again as well: layers that are there stay there."""

LONGEST_WAIT = 30.0
UNNAMED = "slm.local/unnamed"
Report = Callable[[int, int], None]
"""Is told how many bytes have reached the host, and how many it lacked."""


class Delivery(Value):
    """What it took: `received` bytes of layers reached the host in `attempts` connections, `kept` layers were there
    before the first."""

    image: str
    received: int
    kept: int
    attempts: int


class _Cut(Exception):
    """The link failed; another attempt goes on with the layers that are complete."""


def deliver(
    spec: Docker,
    registry: int,
    offer: Offer,
    report: Report = lambda _received, _lacking: None,
    *,
    patience: float = PATIENCE,
    wait: float = LONGEST_WAIT,
) -> Delivery:
    """Bring an offered image to the host of `spec`; `registry` is the port of the registry on this machine.

    It has the same id and the same names there. Raises SshError when the host cannot be used or stayed away for
    `patience` seconds, UserError when its engine refuses. `wait` is the longest time between two attempts in seconds.
    """
    work = _Work(offer, report)
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_passing),
        wait=tenacity.wait_exponential_jitter(initial=1, max=wait),
        stop=lambda _state: time.monotonic() - work.moved > patience,
        reraise=True,
    )
    for attempt in attempts:
        with attempt, Line(spec, registry) as line:
            work.attempt(line)
    return Delivery(
        image=offer.id, received=work.received, kept=work.kept, attempts=int(attempts.statistics["attempt_number"])
    )


def _passing(error: BaseException) -> bool:
    return isinstance(error, _Cut) or (isinstance(error, SshError) and error.failure.kind in PASSES)


class _Work:
    """What was done by now, in all attempts."""

    def __init__(self, offer: Offer, report: Report) -> None:
        self.offer, self._report = offer, report
        self._layers: dict[str, int] = {}
        self._before = 0
        self._first = True
        self.kept, self._lacking = 0, offer.size
        self.moved = time.monotonic()

    @property
    def received(self) -> int:
        """Bytes of layers that reached the host."""
        return self._before + sum(self._layers.values())

    def attempt(self, line: Line) -> None:
        """Pull what is still lacking. Raises _Cut, UserError."""
        import docker
        import requests
        from docker.errors import DockerException
        from urllib3.exceptions import HTTPError

        self._before, self._layers = self.received, {}
        try:
            client = docker.DockerClient(base_url=line.url, timeout=60)
            try:
                self._pull(client, line)
            finally:
                client.close()
        except (DockerException, requests.RequestException, HTTPError, OSError) as error:
            raise _Cut(str(error)) from error

    def _pull(self, client: DockerClient, line: Line) -> None:
        lacking = lacking_of(client, self.offer)
        if self._first:
            self._first = False
            self.kept = len(self.offer.steps) - len(lacking)
            self._lacking = sum(step.size for step in lacking)
        # An image without a layer more than what is there has only its description to bring.
        for step in lacking or self.offer.steps[-1:]:
            reference = f"{LOOPBACK}:{line.port}/{self.offer.name}@{step.manifest}"
            for said in client.api.pull(reference, stream=True, decode=True):
                self._follow(said, step)
            if step in lacking:
                # Docker leaves out progress that nobody read in time, the last of a layer's as well.
                self._layers[step.manifest] = step.size
            line.settle()
            mark_arrived(client, reference, step)
        self._name(client)
        remove_steps(client, self.offer)
        line.settle()

    def _follow(self, line: dict[str, Any], step: Step) -> None:
        if problem := line.get("error"):
            if "no space left" in problem:
                raise UserError(
                    f"the host's disk is full: {problem}",
                    harm="the image is not complete there; what ran before goes on",
                    fix="free space on it (docker image prune), then run the command again: it goes on from there",
                )
            if "unknown" in problem:
                raise UserError(
                    f"the registry on this machine has not all of image {self.offer.id}: {problem}",
                    harm="the image is not complete on the host; what ran before goes on",
                    fix="remove the folder of the registry's layers, then run the command again: it fills it anew",
                )
            raise _Cut(problem)
        status = line.get("status")
        if status == "Downloading" and (current := line["progressDetail"].get("current")):
            self._layers[step.manifest] = max(current, self._layers.get(step.manifest, 0))
        elif status == "Download complete":
            self._layers[step.manifest] = step.size
        else:
            return
        self.moved = time.monotonic()
        self._report(self.received, self._lacking)

    def _name(self, client: DockerClient) -> None:
        import docker.errors

        try:
            found = client.images.get(self.offer.id)
        except docker.errors.ImageNotFound:
            raise UserError(
                f"the host's Docker engine gives image {self.offer.id} another id",
                harm="the stack names its images by their ids and would not find it",
                fix='let its engine keep images in its own store: "features": {"containerd-snapshotter": false} '
                "in /etc/docker/daemon.json",
            ) from None
        # Without any name the next clean-up of unused images would take it.
        for tag in self.offer.tags or (f"{UNNAMED}:{self.offer.id.removeprefix('sha256:')[:12]}",):
            repository, _, version = tag.rpartition(":")
            found.tag(repository, version)
