"""`make schema`: the JSON Schema of `Pulumi.<stack>.yaml`, by which editors complete and check the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from components.catalog import catalog
from components.settings.loading import SECRETS
from components.settings.model import json_schema
from ops.machine import PROJECT

FILE = Path("schema/pulumi-stack.schema.json")
_SECURE = {
    "type": "object",
    "properties": {"secure": {"type": "string"}},
    "required": ["secure"],
    "additionalProperties": False,
    "description": "a value that Pulumi encrypted",
}


def run(check: bool = False, project_dir: Path = PROJECT) -> int:
    """Write the schema, or with `check` only compare. Gives the exit code: 1 when the committed one is stale."""
    path = project_dir / FILE
    fresh = text()
    if path.exists() and path.read_text(encoding="utf-8") == fresh:
        print(f"{FILE} is up to date")
        return 0
    if check:
        print(f"{FILE} is not what the settings classes say, so editors would mislead — run: make schema")
        return 1
    path.parent.mkdir(exist_ok=True)
    path.write_text(fresh, encoding="utf-8")
    print(f"{FILE} written")
    return 0


def text() -> str:
    """The schema as the file holds it."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def document() -> dict[str, Any]:
    """The JSON Schema of a whole stack file."""
    settings = json_schema()
    definitions = settings["$defs"]
    # A stack's own model is laid over the catalogue's row of the same name, so no field of it is required here.
    definitions["Model"] = {k: v for k, v in definitions["Model"].items() if k != "required"}
    for definition in definitions.values():
        model = definition.get("properties", {}).get("model")
        if model is not None:
            model["examples"] = sorted(catalog().models)
    properties = {f"slm:{name}": schema for name, schema in settings["properties"].items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "slm-stacks: Pulumi.<stack>.yaml",
        "type": "object",
        "required": ["config"],
        "additionalProperties": False,
        "properties": {
            "config": {
                "type": "object",
                "required": [f"slm:{name}" for name in settings["required"]],
                "additionalProperties": False,
                "properties": {**properties, **{f"slm:{name}": _SECURE for name in SECRETS}},
                "patternProperties": {"^pulumi:": {}},
                "description": settings["description"],
            },
            "secretsprovider": {"type": "string", "description": "what encrypts this stack's secrets"},
            "encryptionsalt": {"type": "string"},
            "encryptedkey": {"type": "string"},
        },
        "$defs": definitions,
    }
