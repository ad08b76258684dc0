"""API keys: made at random, kept as encrypted Pulumi configuration beside their dates, shown on a terminal only."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime

from components.gateway.keys import UNKNOWN, DatedKey
from components.webui.workload import NAME as WEBUI
from ops.machine import Machine
from ops.pulumi_cli import Pulumi

API_KEYS = "apiKeys"
KEYS_MADE = "keys_made"
"""The setting that says when each was made, a list. It is no secret, and monitoring tells of it."""


def new_key() -> str:
    """A key of 256 random bits; the prefix lets secret scanners recognise it."""
    return f"slm-{secrets.token_urlsafe(32)}"


def load(pulumi: Pulumi) -> dict[str, str]:
    """All keys, id to key, oldest first; empty where none were made."""
    keys: dict[str, str] = json.loads(pulumi.secret(API_KEYS) or "{}")
    return keys


def save(pulumi: Pulumi, keys: dict[str, str], *, new: str | None = None) -> None:
    """Replace the keys. `new` is the id of one that was made just now."""
    if new:
        # Before the key itself: a command that is killed in between leaves no key without its date.
        _record(pulumi.machine, {**made(pulumi.machine), new: _now()})
    pulumi.set_secret(API_KEYS, json.dumps(keys))
    note(pulumi.machine, keys)


def ensure(pulumi: Pulumi) -> dict[str, str]:
    """The keys; the first is made when there is none."""
    keys = load(pulumi)
    if keys:
        note(pulumi.machine, keys)
    else:
        keys = {"key-1": new_key()}
        save(pulumi, keys, new="key-1")
    return keys


def with_another(keys: dict[str, str]) -> dict[str, str]:
    """The keys and a new one, which comes last and so is the current one. Ids are never used twice in a row."""
    last = max((int(name.rpartition("-")[2]) for name in keys if name.rpartition("-")[2].isdigit()), default=0)
    return {**keys, f"key-{last + 1}": new_key()}


def current(keys: dict[str, str]) -> str:
    """The newest key: the one to use."""
    return list(keys.values())[-1]


def made(machine: Machine) -> dict[str, str]:
    """When each key was made, by id, as it is written down: a time, or that nobody knows."""
    listed = (machine.config().get("config") or {}).get(f"slm:{KEYS_MADE}") or []
    return {entry["id"]: entry["made"] for entry in listed}


def note(machine: Machine, keys: Iterable[str]) -> None:
    """Forget the dates of people's keys that are retired; one that has none gets none, and that is written down."""
    known = made(machine)
    page = {WEBUI: known[WEBUI]} if WEBUI in known else {}
    _record(machine, {name: known.get(name, UNKNOWN) for name in keys} | page)


def note_page(machine: Machine, *, new: bool) -> None:
    """Write down that the chat page's key was made just now, or that nobody knows when."""
    known = made(machine)
    if new or WEBUI not in known:
        _record(machine, {**known, WEBUI: _now() if new else UNKNOWN})


def told(machine: Machine, name: str) -> str:
    """How old a key is, in words."""
    key = DatedKey(id=name, made=made(machine).get(name, UNKNOWN))
    if not isinstance(key.made, datetime):
        return f"{name}, of unknown age: make rotate-key makes one with a date"
    return f"{name}, made on {key.made:%Y-%m-%d}, {(datetime.now(UTC) - key.made).days} days ago"


def _record(machine: Machine, dates: dict[str, str]) -> None:
    machine.record({KEYS_MADE: [{"id": name, "made": at} for name, at in dates.items()]})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
