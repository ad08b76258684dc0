"""What the bundle that a checkout came in has of a stack: images by id, weights as files. No network is asked.

`make load` puts it into `.bundle` of the checkout (`tools/load/`). Elsewhere there is none, and nothing here matters.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path

from components.model_sources import PathSource
from components.models import Model, Weights
from components.settings.model import Settings
from components.settings.stack_file import DESCRIPTION
from components.workload import Value

CONTENT = ".bundle"
FOLDER = "images"
INDEX = "index.json"
WEIGHTS = "weights"


class BundledImage(Value):
    """An image: its id and names in a Docker engine, and the digests of its configuration and its packed layers."""

    id: str
    tags: tuple[str, ...]
    config: str
    layers: tuple[str, ...]


def bundled_images(project: Path) -> dict[str, BundledImage]:
    """The images by role; none in a checkout that came in no bundle."""
    index = project / CONTENT / FOLDER / INDEX
    if not index.exists():
        return {}
    return {
        role: BundledImage.model_validate_json(json.dumps(raw)) for role, raw in json.loads(index.read_text()).items()
    }


def with_bundle(settings: Settings, project: Path) -> Settings:
    """The settings with the bundle's images and weights in them.

    A host that is rolled back to a kept description keeps the images it had.
    """
    if not (project / CONTENT).is_dir():
        return settings
    models = {name: _of_model(model, project) for name, model in settings.models.items()}
    images = {} if os.environ.get(DESCRIPTION) else {role: one.id for role, one in bundled_images(project).items()}
    return settings.model_copy(update={"models": models, "images": {**settings.images, **images}})


def with_sources_of(settings: Settings, pins: Collection[str]) -> Settings:
    """The settings as they will be where weights of these pins come from a bundle: with no other source."""
    place = (PathSource(path="/bundle.gguf"),)

    def of(weights: Weights) -> Weights:
        known = not weights.converted_from and not weights.unpinned() and weights.pin() in pins
        return weights.model_copy(update={"sources": place}) if known else weights

    models = {
        name: model.model_copy(update={"weights": {key: of(weights) for key, weights in model.weights.items()}})
        for name, model in settings.models.items()
    }
    return settings.model_copy(update={"models": models})


def _of_model(model: Model, project: Path) -> Model:
    found = {name: _of_weights(weights, project) for name, weights in model.weights.items()}
    return model if found == model.weights else model.model_copy(update={"weights": found})


def _of_weights(weights: Weights, project: Path) -> Weights:
    """The weights with the bundle's copy as their only source, where it has one: their pin does not change by it."""
    if weights.converted_from or weights.unpinned():
        return weights
    folder = _stable(project) / CONTENT / WEIGHTS / weights.pin()
    if not folder.is_dir():
        return weights
    path = folder / weights.file.path if weights.format == "gguf" else folder
    return weights.model_copy(update={"sources": (PathSource(path=str(path)),)})


def _stable(project: Path) -> Path:
    """The same path after the next load: through the link to the current release."""
    current = project.parent.parent / "current"
    return current if current.is_symlink() and current.resolve() == project.resolve() else project
