"""Rules for an image reference that somebody wrote: pinned, well formed, from an allowed registry, not too old."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from components.catalog import catalog

DEFAULT_REGISTRY = "docker.io"
SOME_IMAGE = "sha256:" + "0" * 64
"""Stands for any image where a workload is made only to hear whether engine and model fit."""


def reference_problem(image: object) -> tuple[str, str] | None:
    """Why a text is no pinned image reference, with the fix; None when it is one (or not even a text)."""
    if not isinstance(image, str):
        return None
    name, at, digest = image.rpartition("@")
    if not at and not image.startswith("sha256:"):
        return "the image has no digest, so it may be another one tomorrow", "pin by digest: image@sha256:…"
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        return "digest must be 64 hex characters", "copy the whole digest: image@sha256:…"
    if at and not re.fullmatch(r"[a-z0-9][a-z0-9._:/-]*", name):
        return "not the name of an image", "write repository:tag@sha256:… in lower case"
    if at and tag_of(name) == "latest":
        return "the tag latest says nothing about the version", "write the version's tag: image:1.2.3@sha256:…"
    return None


def image_problem(role: str, image: str, allowed: Sequence[str]) -> tuple[str, str] | None:
    """Why a well-formed image must not play a role, with the fix; None when it may."""
    name, at, _ = image.rpartition("@")
    if not at:  # the id of an image that was built here
        return None
    if (registry := registry_of(name)) not in allowed:
        return f"registry '{registry}' is not in security.allow_registries", "add it there, or use an allowed registry"
    if old := catalog().images[role].too_old(tag_of(name)):
        return f"{role} {old}", "use a newer image"
    return None


def registry_of(name: str) -> str:
    """The registry's host of an image name without digest; names without one come from Docker Hub."""
    first, slash, _ = name.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else DEFAULT_REGISTRY


def tag_of(name: str) -> str | None:
    """The tag of an image name without digest."""
    last = name.rpartition("/")[2]
    return last.partition(":")[2] or None


def still_meant(recorded: Mapping[str, object], described: Mapping[str, object]) -> dict[str, object]:
    """What a machine recorded of images, without what a newer description replaces.

    `described` is what the stack's file names or, where it names none, the catalogue pins. An image built here stands
    in for a published one that no registry served, so it stays; a published one or a named build of another
    description does not.
    """

    def replaced(role: str, image: object) -> bool:
        now = described.get(role)
        if not isinstance(image, str) or not isinstance(now, str) or now == image:
            return False
        return "@" in image or "@" not in now

    return {role: image for role, image in recorded.items() if not replaced(role, image)}
