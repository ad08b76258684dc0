"""The SDK's schema, read from a file of the person's cache: reading the SDK itself takes seconds."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

from pydantic import ValidationError

from rehearsal.providers.azure.catalogue import catalogue
from rehearsal.providers.azure.schema import Schema
from tools.places import cache_directory


def cache_file(resource_types: list[str], version: str) -> Path:
    """Where the schema of these resources lies. A changed reader or list of resources is another file."""
    here = Path(__file__).parent
    reader = (here / "introspection.py").read_bytes() + (here / "schema.py").read_bytes()
    digest = sha256(reader + " ".join(sorted(resource_types)).encode()).hexdigest()[:10]
    return cache_directory() / "rehearsal" / f"azure-native-{version}-{digest}.json"


@cache
def schema() -> Schema:
    """The schema of all simulated resources."""
    # The reader imports nothing of the SDK by itself, so its version is known without the wait.
    from rehearsal.providers.azure.introspection import introspect, sdk_version

    resource_types = list(catalogue())
    file = cache_file(resource_types, sdk_version())
    with suppress(OSError, ValidationError):
        return Schema.model_validate_json(file.read_bytes())
    read = introspect(resource_types)
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as partial:
        partial.write(read.model_dump_json(exclude_defaults=True))
    os.replace(partial.name, file)
    return read
