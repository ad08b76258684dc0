"""`make pin`: look up what the catalogue's tags mean today, in the registries themselves, and write it down.

Everything is looked up first; only when all of it is known and fits together is components/catalog/pins.toml replaced,
so that a registry that fails half-way changes nothing. What changed is printed, for review like any other change.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import tomlkit
import yaml
from rich.console import Console
from rich.table import Table

from components.catalog import PINS, Catalog, read
from components.catalog.place import DIRECTORY
from components.models import Model, Weights
from ops.errors import UserError
from ops.machine import PROJECT
from ops.pin.lookup import image_digest, weights_facts

if TYPE_CHECKING:
    from docker import DockerClient

HEADER = """Written by `make pin`; review it, commit it, do not edit it. Rows lie over those of images.toml and
models.toml. Each value is what the registry or hub itself answered on the day beside it."""

UNKNOWN = (
    "model '{}', weights '{}': none of its sources tells a sha256. Fetch it once in a dev stack, check it, and write"
    " the sha256 of each file from the job's record (fetched/ in its volume) into the row"
)


def run(stack: str) -> int:
    """Pin the catalogue, and print the pins of models that only this stack's file describes. Raises UserError."""
    from components.settings import load
    from ops import docker_client

    console = Console(highlight=False)
    own = [(n, m) for n, m in load(stack, PROJECT, {}).models.items() if read().models.get(n) != m]
    pin_catalogue(docker_client.connect(), console)
    for name, model in own:
        console.print(f"model '{name}' is this stack's own; its pins belong into Pulumi.{stack}.yaml:")
        pins, unknown = _pins(model, model)
        if pins:
            console.print(yaml.safe_dump({"weights": pins}, sort_keys=False))
        elif not unknown:
            console.print("  it has them all")
        for key in unknown:
            console.print(UNKNOWN.format(name, key))
    return 0


def pin_catalogue(client: DockerClient, console: Console, directory: Path = DIRECTORY, mirror: str = "") -> None:
    """Look up every published image and every model, and write pins.toml.

    `mirror` is a registry that answers for the public ones. Raises UserError, and then nothing has changed.
    """
    catalogue, written, today = read(directory), _with_pins(directory, None), date.today().isoformat()
    images = {
        role: {
            "digest": image_digest(client, f"{mirror}{row.repository}:{row.tag}"),
            "source": f"its registry, {today}",
        }
        for role, row in catalogue.images.items()
        if row.published
    }
    models: dict[str, Any] = {}
    notes: list[str] = []
    table = Table("what", "was", "is", box=None)
    for role, pin in images.items():
        _row(table, f"image {role}", catalogue.images[role].digest, pin["digest"])
    for name, model in written.models.items():
        pins, unknown = _pins(model, catalogue.models[name], table)
        if pins:
            models[name] = {"weights": pins}
        notes += [UNKNOWN.format(name, key) for key in unknown]
    _write(directory, {"images": images, "models": models}, today)
    console.print(table)
    for note in notes:
        console.print(note)
    console.print(f"written to {PINS.name} in {directory.name}; review it with git diff")


def _pins(model: Model, pinned: Model, table: Table | None = None) -> tuple[dict[str, Any], list[str]]:
    """What to lay over each form of a model's weights as written, and the forms that cannot be looked up.

    `pinned` is the model with the pins of an earlier look-up. Raises UserError.
    """
    pins, unknown = dict[str, Any](), list[str]()
    for key, weights in model.weights.items():
        if weights.converted_from:
            continue
        before = pinned.weights[key]
        if (found := weights_facts(model, key, before)) is None:
            unknown.append(key)
            continue
        now = weights.model_copy(update={"files": found.files, "sources": found.sources, "size_bytes": found.size})
        if changes := _changes(weights, now):
            pins[key] = changes
        if table is not None:
            was = None if before.unpinned() else before.pin()
            _row(table, f"model {model.name}, {key}", was, now.pin())
    return pins, unknown


def _with_pins(directory: Path, pins: str | None) -> Catalog:
    """The catalogue as people wrote it, without its pins or with others laid over it."""
    with TemporaryDirectory() as scratch:
        for name in ("images.toml", "models.toml"):
            (Path(scratch) / name).write_bytes((directory / name).read_bytes())
        if pins is not None:
            (Path(scratch) / PINS.name).write_text(pins)
        return read(Path(scratch))


def _row(table: Table, what: str, was: str | None, now: str) -> None:
    same = "the same" if was == now else f"[bold]{now[:16]}…[/bold]"
    table.add_row(what, f"{was[:16]}…" if was else "not known", same)


def _changes(written: Weights, now: Weights) -> dict[str, Any]:
    """What to lay over the row of these weights; empty when it says all of it already."""
    changes: dict[str, Any] = {}
    if now.size_bytes != written.size_bytes:
        changes["size_bytes"] = now.size_bytes
    if now.files != written.files:
        changes["files"] = [file.model_dump(mode="json") for file in now.files]
    if now.sources != written.sources:
        changes["sources"] = [s.model_dump(mode="json", exclude_defaults=True) | {"kind": s.kind} for s in now.sources]
    return changes


def _write(directory: Path, pins: Mapping[str, Any], today: str) -> None:
    document = tomlkit.document()
    for line in HEADER.splitlines():
        document.add(tomlkit.comment(line))
    document.add(tomlkit.comment(f"Looked up on {today}."))
    for kind, rows in pins.items():
        if rows:
            document.add(kind, tomlkit.item(dict(rows)))
    text = tomlkit.dumps(document)
    try:
        _with_pins(directory, text)
    except ValueError as error:
        raise UserError(
            f"what was looked up does not fit the catalogue: {error}",
            harm="nothing was written",
            fix="correct the row in components/catalog, then run make pin again",
        ) from None
    beside = directory / f".{PINS.name}.new"
    beside.write_text(text)
    os.replace(beside, directory / PINS.name)
