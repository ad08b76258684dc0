"""API keys as the gateway reads them, digests and never the keys; and how old they are."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, StringConstraints

from components.workload import Value

MIN_KEY_BYTES = 32
UNKNOWN: Literal["unknown"] = "unknown"

_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
_KEY = re.compile(r"^[A-Za-z0-9._~+/=-]+$")


def _moment(value: Any) -> Any:
    if value == UNKNOWN or isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (TypeError, ValueError):
        raise ValueError(f"not a time — write it as 2026-12-31T12:00:00+00:00, or {UNKNOWN}") from None


class DatedKey(Value):
    """When the API key of an id was made, or that nobody wrote it down; never the key."""

    id: Annotated[str, StringConstraints(pattern=_ID.pattern)]
    made: Annotated[datetime | Literal["unknown"], BeforeValidator(_moment)]


def key_map(keys: Mapping[str, str]) -> str:
    """The content of keys.map from key ids and keys: one line per key, its SHA-256 in hex and its id.

    The gateway hashes what a client sends and looks the digest up. How long the look-up takes depends on the digest
    only, and nobody can choose a key's digest digit by digit, so timing tells nothing useful about a key; and whoever
    reads the file cannot use it to get in. Plain SHA-256 suffices because keys are long and random, not passwords.

    Raises ValueError, naming the key id and never the key, when there is no key, when one is shorter than 32 bytes,
    used under two ids, or has characters that do not survive an HTTP header, such as a line end from a file.
    """
    if not keys:
        raise ValueError("gateway.api_keys needs at least one reference: without a key nobody could use the gateway")
    ids: dict[str, str] = {}
    for key_id, key in keys.items():
        if not _ID.fullmatch(key_id):
            raise ValueError(f"key id '{key_id[:64]!a}': use letters, digits, '.', '_' and '-', at most 64")
        if "\r" in key or "\n" in key:
            raise ValueError(
                f"API key '{key_id}' has a line end in it (CR or LF), so no client could send it; remove it"
            )
        if len(key.encode()) < MIN_KEY_BYTES:
            raise ValueError(
                f"API key '{key_id}' is too short: {len(key.encode())} bytes can be guessed, at least {MIN_KEY_BYTES}"
                " are needed; `make rotate-key` makes a good one"
            )
        if not _KEY.fullmatch(key):
            raise ValueError(
                f"API key '{key_id}' has characters a Bearer token may not have (RFC 6750); make a new one"
            )
        digest = hashlib.sha256(key.encode()).hexdigest()
        if digest in ids:
            raise ValueError(f"API keys '{ids[digest]}' and '{key_id}' are the same key; retire one of them")
        ids[digest] = key_id
    return "".join(f"{digest} {key_id}\n" for digest, key_id in ids.items())
