"""An image as a row of images, each with one layer more than the one before.

A Docker engine throws away what it has of an image when a pull of it ends early, the finished layers too. It keeps a
layer as soon as an image has it: so each layer gets an image of its own, pulled one after the other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

import httpx

from components.workload import Value
from ops.errors import UserError

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class Step(Value):
    """One layer: `manifest` is the digest of the image that ends with it, `layer` its id when it is unpacked, `size`
    the bytes that are carried for it."""

    manifest: str
    layer: str
    size: int


class Offer(Value):
    """An image that hosts can get. `name` is its repository in the registry, `id` and `tags` are what it has here."""

    name: str
    id: str
    tags: tuple[str, ...]
    steps: tuple[Step, ...]

    @property
    def size(self) -> int:
        """Bytes that a host with nothing of it gets."""
        return sum(step.size for step in self.steps)

    def lacking(self, images: Iterable[Sequence[str]]) -> tuple[Step, ...]:
        """What a host lacks that has `images`, each given by the ids of its layers from the lowest on."""
        own = [step.layer for step in self.steps]
        return self.steps[max((_common(own, layers) for layers in images), default=0) :]


def _common(own: Sequence[str], other: Sequence[str]) -> int:
    count = 0
    for mine, theirs in zip(own, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return count


def publish_steps(api: httpx.Client, name: str, tag: str, image: str, tags: tuple[str, ...]) -> Offer:
    """Add the images of all steps beside the pushed one, which is the last. `api` is of that repository.

    Raises UserError when the registry refuses.
    """
    found = _answer(api.get(f"manifests/{tag}", headers={"Accept": MANIFEST}))
    manifest: dict[str, Any] = found.json()
    if manifest["config"]["digest"] != image:
        raise UserError(
            f"image {image} has another content in the registry, {manifest['config']['digest']}",
            harm="hosts would run something else than what was built here",
            fix="let this machine's Docker engine keep images in its own store: "
            '"features": {"containerd-snapshotter": false} in /etc/docker/daemon.json',
        )
    config: dict[str, Any] = _answer(api.get(f"blobs/{image}")).json()
    unpacked, layers = config["rootfs"]["diff_ids"], manifest["layers"]
    steps = []
    for count in range(1, len(layers)):
        part = {
            "architecture": config["architecture"],
            "os": config["os"],
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": unpacked[:count]},
            "history": [],
        }
        blob = json.dumps(part, sort_keys=True).encode()
        described = {"mediaType": manifest["config"]["mediaType"], "size": len(blob), "digest": _digest(blob)}
        _upload(api, blob)
        body = json.dumps({**manifest, "config": described, "layers": layers[:count]}, sort_keys=True).encode()
        _answer(api.put(f"manifests/{_digest(body)}", content=body, headers={"Content-Type": manifest["mediaType"]}))
        steps.append(_digest(body))
    steps.append(found.headers["Docker-Content-Digest"])
    return Offer(
        name=name,
        id=image,
        tags=tags,
        steps=tuple(
            Step(manifest=step, layer=layer, size=described["size"])
            for step, layer, described in zip(steps, unpacked, layers, strict=True)
        ),
    )


def _upload(api: httpx.Client, blob: bytes) -> None:
    if api.head(f"blobs/{_digest(blob)}").status_code == httpx.codes.OK:
        return
    place = httpx.URL(_answer(api.post("blobs/uploads/")).headers["Location"])
    _answer(api.put(place.copy_merge_params({"digest": _digest(blob)}), content=blob))


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _answer(response: httpx.Response) -> httpx.Response:
    if response.is_error:
        raise UserError(
            f"The registry on this machine answers {response.status_code} to {response.request.method} "
            f"{response.request.url.path}: {response.text[:300]}",
            harm="no host can get the image",
            fix="see whether its disk is full; then run the command again",
        )
    return response
