"""Writes that Azure takes one at a time, and the time a write takes.

Two federated credentials of one identity cannot be written at the same time: Azure refuses the second. azure-native 3
tries again for some minutes (pulumi/pulumi-azure-native#4421); here it fails at once, so that a program that does not
keep them in order is found.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from types import TracebackType

import psutil

from rehearsal.providers.azure import arm_ids
from rehearsal.providers.azure.errors import conflict
from rehearsal.providers.azure.store import Store, write_json

_FILE = "writes.json"
_CREDENTIAL = "managedidentity:FederatedIdentityCredential"


class Writing:
    """A write that is going on for at least so many seconds. Entering raises ArmError when Azure would not take it now.

    Only writes that Azure takes one at a time are waited for: two that are begun together must meet.
    """

    def __init__(self, store: Store, resource_type: str, arm_id: str, seconds: float) -> None:
        self.store, self.seconds = store, seconds
        self.alone_on = arm_ids.key(arm_ids.parent_of(arm_id) or "") if resource_type == _CREDENTIAL else ""

    def __enter__(self) -> None:
        if not self.alone_on:
            return
        with self.store.lock():
            going_on = self._going_on()
            if self.alone_on in going_on:
                raise conflict(
                    "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity",
                    "Too many Federated Identity Credentials are written concurrently for the managed identity "
                    f"'{self.alone_on}'. Concurrent Federated Identity Credentials writes under the same managed "
                    "identity are not supported.",
                )
            write_json(self.store.directory / _FILE, going_on | {self.alone_on: _this_process()})
        time.sleep(self.seconds)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self.alone_on:
            return
        with self.store.lock():
            left = {k: v for k, v in self._going_on().items() if k != self.alone_on}
            write_json(self.store.directory / _FILE, left)

    def _going_on(self) -> dict[str, list[float]]:
        """Writes by what they are alone on; those of processes that were killed have ended."""
        found: dict[str, list[float]] = {}
        with suppress(OSError, ValueError):
            found = json.loads((self.store.directory / _FILE).read_text())
        return {key: who for key, who in found.items() if _alive(*who)}


def _this_process() -> list[float]:
    return [os.getpid(), psutil.Process().create_time()]


def _alive(process: float, started: float) -> bool:
    try:
        return abs(psutil.Process(int(process)).create_time() - started) < 1
    except psutil.NoSuchProcess:
        return False
