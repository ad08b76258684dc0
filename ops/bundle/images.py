"""The images of a stack's roles, as the layers that edge hosts get as well: each layer once, however many share it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from components.settings import Settings
from ops.bundle.item import Item
from ops.bundle.loaded import FOLDER, INDEX, BundledImage
from ops.errors import UserError
from ops.images import delivery


def gather(all_settings: Iterable[Settings], console: Console) -> tuple[dict[str, BundledImage], list[Item]]:
    """The image of each role, built or pulled here where this machine's engine lacks it, and the files of all.

    Raises UserError for a role that the stack cannot do without and that cannot be had.
    """
    found: dict[str, BundledImage] = {}
    for settings in all_settings:
        optional = settings.optional_roles()
        for role in [*settings.roles(), *optional]:
            if role in found:
                continue
            if role not in optional:
                found[role] = _bundled(delivery.made_here(settings, role, console))
            elif image := delivery.found_here(settings, role, console):
                found[role] = _bundled(image)
    digests = {digest for image in found.values() for digest in (image.config, *image.layers)}
    if gone := [digest for digest in digests if not _blob(digest).exists()]:
        raise _incomplete(gone[0])
    items = [Item(f"{FOLDER}/{digest}", _blob(digest), sha256=digest) for digest in sorted(digests)]
    index = {role: image.model_dump(mode="json") for role, image in sorted(found.items())}
    return found, [Item(f"{FOLDER}/{INDEX}", json.dumps(index, indent=1).encode()), *items]


def _bundled(image: str) -> BundledImage:
    offer = delivery.offered(image)
    path = _blob(_hex(offer.steps[-1].manifest))
    if not path.exists():
        raise _incomplete(path.parent.name)
    manifest = json.loads(path.read_bytes())
    layers = tuple(_hex(layer["digest"]) for layer in manifest["layers"])
    return BundledImage(id=offer.id, tags=offer.tags, config=_hex(manifest["config"]["digest"]), layers=layers)


def _blob(digest: str) -> Path:
    """Where the registry of this machine keeps a blob."""
    return delivery.REGISTRY / "layers/docker/registry/v2/blobs/sha256" / digest[:2] / digest / "data"


def _incomplete(digest: str) -> UserError:
    return UserError(
        f"the layers that were kept of earlier images are incomplete: {digest} is gone",
        harm="no bundle was made",
        fix=f"remove the whole folder {delivery.REGISTRY}, then run the command again: it is made anew",
    )


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
