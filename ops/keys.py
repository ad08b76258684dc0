"""API keys: made at random, kept as encrypted Pulumi configuration, shown on a terminal only."""

from __future__ import annotations

import json
import secrets

from ops.pulumi_cli import Pulumi

API_KEYS = "apiKeys"


def new_key() -> str:
    """A key of 256 random bits; the prefix lets secret scanners recognise it."""
    return f"slm-{secrets.token_urlsafe(32)}"


def load(pulumi: Pulumi) -> dict[str, str]:
    """All keys, id to key, oldest first; empty where none were made."""
    keys: dict[str, str] = json.loads(pulumi.secret(API_KEYS) or "{}")
    return keys


def save(pulumi: Pulumi, keys: dict[str, str]) -> None:
    """Replace the keys."""
    pulumi.set_secret(API_KEYS, json.dumps(keys))


def ensure(pulumi: Pulumi) -> dict[str, str]:
    """The keys; the first is made when there is none."""
    keys = load(pulumi)
    if not keys:
        keys = {"key-1": new_key()}
        save(pulumi, keys)
    return keys


def with_another(keys: dict[str, str]) -> dict[str, str]:
    """The keys and a new one, which comes last and so is the current one. Ids are never used twice in a row."""
    last = max((int(name.rpartition("-")[2]) for name in keys if name.rpartition("-")[2].isdigit()), default=0)
    return {**keys, f"key-{last + 1}": new_key()}


def current(keys: dict[str, str]) -> str:
    """The newest key: the one to use."""
    return list(keys.values())[-1]
