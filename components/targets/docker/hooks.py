"""Steps the Pulumi engine runs around a resource, for what the Docker provider has no input for.

A hook that runs before a resource is created fails the deployment when it raises, and the resource is then not in
the state: the next `up` runs it again. One that runs after can only warn, so `make smoke` checks its result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from pulumi import ResourceHook, ResourceHookArgs, ResourceHookBinding

from components.targets.docker import neighbours, progress
from components.targets.docker.container import Names
from components.targets.docker.daemon import Daemon
from components.targets.placement import Secrets
from components.workload import Volume, Workload

_THREADS = ThreadPoolExecutor(max_workers=64, thread_name_prefix="hook")
"""Hooks have threads of their own.

In the SDK's pool each resource that is being made holds a thread until it is there, and it is not there before its hook
has run: with as many at once as the pool has threads, everything would wait for ever.
"""


async def in_own_thread(function: Callable[..., object], *args: object) -> None:
    """Call the function without a thread of the SDK's pool."""
    await asyncio.get_running_loop().run_in_executor(_THREADS, partial(function, *args))


class Hooks:
    """The hooks of one Docker host's resources; each has a name that is unique in the stack."""

    def __init__(self, host: str, names: Names, daemon: Daemon) -> None:
        self._host, self._names, self._daemon = host, names, daemon

    def limit_pids(self, workload: Workload) -> ResourceHookBinding:
        """Give the container its limit on processes, which the provider has no input for (control 8)."""

        async def limit(args: ResourceHookArgs) -> None:
            await in_own_thread(self._daemon.limit_pids, args.id, workload.resources.pids)

        hook = ResourceHook(f"{self._host}-{workload.name}-limit-pids", limit)
        return ResourceHookBinding(after_create=[hook], after_update=[hook])

    def fill(self, volume: Volume, owner: Workload, secrets: Secrets) -> ResourceHookBinding:
        """Run a volume's jobs before anyone mounts it, so that a service starts only on complete, verified data."""
        names = sorted({secret.secret for job in volume.fill for secret in job.secrets})
        contents = {name: secrets.content(name) for name in names}

        async def run(args: ResourceHookArgs) -> None:
            # The values are read here, at the last moment, and handed to the job's files only.
            values = {name: str(await content.future()) for name, content in contents.items()}
            network = f"{self._names.prefix}-egress"
            now, more = neighbours.asking(volume)
            arguments = (now, self._names, owner, network, progress.report, {**values, **more})
            await in_own_thread(self._daemon.fill_volume, *arguments)

        hook = ResourceHook(f"{self._host}-{volume.name}-fill", run)
        return ResourceHookBinding(before_create=[hook])

    def hand_over_files(self, workload: Workload) -> ResourceHookBinding:
        """Give uploaded files to the service's user, then make a running service read them again if it can.

        A failure here only warns, but it is not silent: the service cannot read its files, stays unhealthy, and the
        deployment fails.
        """
        signal, container = workload.reload_signal, self._names.container(workload.name)

        async def run(args: ResourceHookArgs) -> None:
            await in_own_thread(self._daemon.own_files, args.id, workload.user, workload.group)
            if signal:
                await in_own_thread(self._daemon.signal, container, signal)

        hook = ResourceHook(f"{self._host}-{workload.name}-files", run)
        return ResourceHookBinding(after_create=[hook], after_update=[hook])
