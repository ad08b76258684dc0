"""Volumes with real weights for the tests of single engines: fetched and converted once for all of them."""

from __future__ import annotations

from contextlib import ExitStack

import docker

from components.workload import Workload
from tests.docker.container_harness import PREFIX, run_job, volume


class SharedWeights(ExitStack):
    """The volumes that were asked for so far, each filled by the jobs it names; removed at the end."""

    def __init__(self, client: docker.DockerClient) -> None:
        super().__init__()
        self._client = client
        self._names: dict[str, str] = {}

    def of(self, workload: Workload) -> dict[str, str]:
        """The real names of all volumes that `workload` needs, by their names in it, filled."""
        for wanted in workload.filled_volumes:
            if wanted.name in self._names:
                continue
            owner = wanted.fill[0] if wanted.fill else workload
            made = volume(self._client, f"{PREFIX}-{wanted.name}", owner.image, wanted.path, (owner.user, owner.group))
            self._names[wanted.name] = self.enter_context(made)
            for job in wanted.fill:
                code, _, errors = run_job(self._client, job, self._names, "bridge" if job.egress else "none")
                assert code == 0, errors
        return dict(self._names)
