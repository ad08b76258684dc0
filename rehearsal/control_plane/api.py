"""The API server as this package uses it: plain JSON objects, and the server's own sentence when it refuses."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, Self

import httpx

from rehearsal.control_plane.certificates import Pair
from rehearsal.control_plane.errors import NoAnswer

Object = dict[str, Any]

ANSWER = 60.0
"""Seconds that an answer may take. A tenth of a second is the rule; on an overloaded machine it was above 30 once."""

PLURALS = {
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "ConfigMap": "configmaps",
    "CSIDriver": "csidrivers",
    "CustomResourceDefinition": "customresourcedefinitions",
    "Deployment": "deployments",
    "EndpointSlice": "endpointslices",
    "PersistentVolume": "persistentvolumes",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "StorageClass": "storageclasses",
}
"""Of the kinds that the rehearsal applies from files."""


class Refused(Exception):
    """The API server's own sentence. `status` is the HTTP status, `reason` the server's word for it."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


class Api:
    """A client with a certificate. Use one in each thread."""

    def __init__(self, server: str, authority: Path, pair: Pair) -> None:
        context = ssl.create_default_context(cafile=str(authority))
        context.load_cert_chain(pair.certificate, pair.key)
        self._client = httpx.Client(base_url=server, verify=context, timeout=ANSWER, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def healthy(self, path: str) -> bool:
        """Whether a health endpoint answers 200. Never raises for one that does not answer."""
        try:
            return self._client.get(path).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def get(self, path: str) -> Object:
        """One object. Raises Refused, NoAnswer."""
        return self._send("GET", path)

    def items(self, path: str, **query: str) -> list[Object]:
        """All objects of a list. Raises Refused, NoAnswer."""
        found: list[Object] = self._send("GET", path, query=query)["items"]
        return found

    def create(self, path: str, body: Object) -> Object:
        """Create in the collection. Raises NoAnswer; Refused, with reason `AlreadyExists` where there is one."""
        return self._send("POST", path, body)

    def apply(self, body: Object) -> Object:
        """Server-side apply, in the namespace that the metadata name, if any. Raises Refused, NoAnswer."""
        group, metadata = body["apiVersion"], body["metadata"]
        root = f"/apis/{group}" if "/" in group else f"/api/{group}"
        inside = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
        path = f"{root}{inside}/{PLURALS[body['kind']]}/{metadata['name']}"
        query = {"fieldManager": "rehearsal", "force": "true"}
        return self._send("PATCH", path, body, "application/apply-patch+yaml", query)

    def merge(self, path: str, changes: Object) -> Object:
        """Merge the changes into one object. Raises Refused, NoAnswer."""
        return self._send("PATCH", path, changes, "application/merge-patch+json")

    def replace(self, path: str, body: Object) -> Object:
        """Replace one object. Raises Refused, NoAnswer."""
        return self._send("PUT", path, body)

    def delete(self, path: str) -> None:
        """Delete one object; one that is gone already is as good. Raises Refused, NoAnswer."""
        try:
            self._send("DELETE", path)
        except Refused as refusal:
            if refusal.status != httpx.codes.NOT_FOUND:
                raise

    def _send(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        kind: str = "application/json",
        query: dict[str, str] | None = None,
    ) -> Object:
        headers = {"Content-Type": kind} if body is not None else {}
        # JSON is YAML, so that one encoding does for every kind of body.
        try:
            answer = self._client.request(method, path, params=query, headers=headers, json=body)
        except httpx.TransportError as error:
            raise NoAnswer(
                f"The API server did not answer {method} {path}: {error}",
                fix="see whether the machine is too busy for it; `check` of the control plane tells whether it runs",
            ) from error
        if answer.is_success:
            found: Object = answer.json()
            return found
        try:
            status = answer.json()
        except ValueError:
            status = {"message": answer.text.strip()}
        raise Refused(answer.status_code, status.get("reason", ""), status.get("message", ""))
