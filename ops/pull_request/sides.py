"""One side of a change: a folder with the stack's description, read with its own catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from components.catalog import catalog
from components.catalog.azure import azure
from components.catalog.hardware import hardware
from components.catalog.place import DIRECTORY, catalogue_in
from components.catalog.prices import prices
from components.settings import Fleet, Settings, SettingsError, load, load_fleet
from components.settings.stack_file import file_name, read_document
from ops.pull_request.picture import Picture, picture

PLACES = ("address", "host_key", "labels")
"""What tells hosts apart and decides nothing of what runs on them."""


@dataclass(frozen=True)
class Side:
    """The description in `folder`. `today` decides which exceptions have expired."""

    stack: str
    folder: Path
    today: date
    catalogue: Path = DIRECTORY

    @property
    def file(self) -> Path:
        """The stack's file, whether it is there or not."""
        return self.folder / file_name(self.stack)

    @property
    def exists(self) -> bool:
        """Whether this side has such a stack at all."""
        return self.file.is_file()

    @cached_property
    def document(self) -> dict[str, Any]:
        """The whole file as plain data; empty where there is none. Raises SettingsError."""
        return read_document(self.file) if self.exists else {}

    @cached_property
    def fleet(self) -> Fleet | None:
        """The fleet it describes. Raises SettingsError."""
        if not self.exists:
            return None
        with self._own_catalogue():
            return load_fleet(self.stack, self.folder)

    def settings(self, stack: str) -> Settings:
        """The checked settings of the stack, or of one host of its fleet. Raises SettingsError."""
        if stack not in self._loaded:
            with self._own_catalogue():
                self._loaded[stack] = load(stack, self.folder, today=self.today)
        return self._loaded[stack]

    @cached_property
    def _loaded(self) -> dict[str, Settings]:
        return {}

    def picture(self, host: str | None = None) -> Picture:
        """What the description means for the stack, or for one host of its fleet. Raises SettingsError."""
        stack = f"{self.stack}.{host}" if host else self.stack
        settings = self.settings(stack)
        with self._own_catalogue():
            return picture(stack, settings)

    @contextmanager
    def _own_catalogue(self) -> Iterator[None]:
        with catalogue_in(self.catalogue):
            try:
                for table in (catalog, hardware, prices, azure):
                    table()
            except (ValueError, KeyError, OSError) as error:  # it is of another version
                raise CatalogueError(f"{type(error).__name__} in the catalogue") from None
            yield


class CatalogueError(Exception):
    """The side's own catalogue is not one that this version of the program reads."""


@dataclass(frozen=True)
class Place:
    """Where the same things change: the stack itself (`hosts` empty), or hosts of a fleet that are alike."""

    hosts: tuple[str, ...]
    before: Picture | None
    after: Picture | None

    @property
    def changes(self) -> bool:
        """Whether anything at all differs."""
        return self.before is None or self.after is None or self.before.settings != self.after.settings


def readable(base: Side) -> tuple[Side | None, str]:
    """The base as it can be read: with its own catalogue, else with today's, else not at all (None), and why."""
    if not base.exists:
        return base, ""
    try:
        _read_all(base)
        return base, ""
    except CatalogueError:
        plain, why = (
            replace(base, catalogue=DIRECTORY),
            "the base's catalogue is of a form that this version cannot read",
        )
    except SettingsError as error:
        return None, f"the base's description is refused by this version: {error.problems[0]}"
    try:
        _read_all(plain)
    except SettingsError as error:
        return None, f"the base's description is refused by this version: {error.problems[0]}"
    return plain, f"{why}, so changes in it are not shown"


def _read_all(side: Side) -> None:
    side.settings(side.stack)
    for hosts, _ in _kinds(side.fleet):
        side.settings(f"{side.stack}.{hosts[0]}")


def places(base: Side, head: Side) -> list[Place]:
    """Every place of both sides, the hosts that are alike taken together, in the order of the head's file.

    Raises SettingsError for the side that is wrong; of alike hosts only the first is read.
    """
    if base.fleet is None and head.fleet is None:
        return [Place((), *(side.picture() if side.exists else None for side in (base, head)))]
    found = []
    for side in (base, head):
        if side.exists and side.fleet is None:
            pictures = side.picture(), None
            found.append(Place((), *(pictures if side is base else pictures[::-1])))
    before, after = _by_host(base.fleet), _by_host(head.fleet)
    alike: dict[str, list[str]] = {}
    for host in dict.fromkeys([*after, *before]):
        kept = host in before and host in after
        moved = kept and {f: before[host].get(f) != after[host].get(f) for f in ("address", "host_key")}
        key = json.dumps([_kind(before.get(host)), _kind(after.get(host)), moved], sort_keys=True)
        # Of hosts that get another address or key, each has something of its own to say.
        alike.setdefault(f"{key}{host}" if moved and any(moved.values()) else key, []).append(host)
    for hosts in alike.values():
        first = hosts[0]
        old = base.picture(first) if first in before else None
        new = head.picture(first) if first in after else None
        found.append(Place(tuple(hosts), old, new))
    return found


def _by_host(fleet: Fleet | None) -> dict[str, dict[str, Any]]:
    return {name: fleet.host(name).model_dump(mode="json") for name in fleet.hosts} if fleet else {}


def _kind(host: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if host is None else {field: value for field, value in host.items() if field not in PLACES}


def _kinds(fleet: Fleet | None) -> list[tuple[list[str], str]]:
    """The hosts by what they are like, each kind once."""
    found: dict[str, list[str]] = {}
    for name, host in _by_host(fleet).items():
        found.setdefault(json.dumps(_kind(host), sort_keys=True), []).append(name)
    return [(hosts, key) for key, hosts in found.items()]
