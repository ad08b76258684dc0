"""An API server that is asked what it would do with an object: admission and strict validation, and nothing is made."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from kubernetes import client
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import DynamicApiError

from components.targets.kubernetes.names import Manifest

DRY = [("dryRun", "All"), ("fieldValidation", "Strict")]
WARNING = re.compile(r'299 - "((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Answer:
    """What it says: `status` is HTTP's, `message` its sentence where it refuses, `warnings` what it says beside."""

    status: int
    message: str
    warnings: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        """Whether the object would be there now."""
        return self.status in (200, 201)


class ApiServer:
    """One API server, with an administrator's rights."""

    def __init__(self, api: client.ApiClient) -> None:
        self._client = DynamicClient(api)

    def would(self, manifest: Manifest) -> Answer:
        """What creating the object would give."""
        return self._send("POST", self._path(manifest), manifest, DRY)

    def create(self, manifest: Manifest) -> None:
        """Create it. Raises AssertionError with the server's sentence when it refuses."""
        answer = self._send("POST", self._path(manifest), manifest, DRY[1:])
        assert answer.accepted, f"{manifest['kind']} {manifest['metadata']['name']}: {answer.message}"

    def delete(self, manifest: Manifest) -> None:
        """Delete it."""
        answer = self._send("DELETE", f"{self._path(manifest)}/{manifest['metadata']['name']}", None, [])
        assert answer.status in (200, 202), answer.message

    def there(self, manifest: Manifest) -> bool:
        """Whether it is there."""
        return self._send("GET", f"{self._path(manifest)}/{manifest['metadata']['name']}", None, []).status == 200

    def _path(self, manifest: Manifest) -> str:
        kind = self._client.resources.get(api_version=manifest["apiVersion"], kind=manifest["kind"])
        return str(kind.path(namespace=manifest["metadata"].get("namespace")))

    def _send(self, method: str, path: str, body: Any, query: list[tuple[str, str]]) -> Answer:
        try:
            answer = self._client.request(method, path, body=body, query_params=query, serialize=False)
        except DynamicApiError as refusal:
            return Answer(refusal.status, json.loads(refusal.body)["message"], _warnings(refusal.headers))
        return Answer(answer.status, "", _warnings(answer.headers))


def _warnings(headers: Any) -> tuple[str, ...]:
    return tuple(json.loads(f'"{text}"') for text in WARNING.findall(headers.get("Warning") or ""))
