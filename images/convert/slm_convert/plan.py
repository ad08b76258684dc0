"""What to convert: the plan file, and the errors everything here may raise."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROUTES = {("gguf", "safetensors"), ("gguf", "onnx"), ("safetensors", "onnx")}
PRECISIONS = {"safetensors": ("bf16", "fp16", "fp32"), "onnx": ("int4", "int8", "bf16", "fp16", "fp32")}
DEVICES = ("cpu", "cuda")


class Failure(Exception):
    """The conversion ends without a result. The message is for people; `code` is the program's exit code."""

    code = 1


class PlanError(Failure):
    """The plan file or the volumes cannot be used. The message says why."""

    code = 2


class NoSpace(Failure):
    """The disk is too small. The message names the needed and the free space."""

    code = 3


class Inconvertible(Failure):
    """These weights cannot be converted, or their conversion is no good. Another run would end the same way."""

    code = 4


class NoMemory(Failure):
    """The container's memory did not suffice."""

    code = 5


@dataclass(frozen=True)
class Plan:
    """What is converted into what. Sizes in bytes.

    `pin` names the result: the same for the same input and recipe. `files` are the input's, as far as they are known:
    path below `source` to size and sha256, both optional. `size` is the result's expected one.
    """

    name: str
    pin: str
    source: Path
    source_format: str
    files: dict[str, dict[str, Any]]
    directory: Path
    format: str
    precision: str
    device: str
    size: int
    parameters: int
    provenance: dict[str, Any]


def read_plan(path: Path) -> Plan:
    """Read the plan. Raises PlanError."""
    try:
        data = json.loads(path.read_text())
        given, wanted = data["input"], data["output"]
        plan = Plan(
            name=data["name"],
            pin=wanted["pin"],
            source=Path(given["directory"]),
            source_format=given["format"],
            files={entry["path"]: entry for entry in given.get("files", [])},
            directory=Path(wanted["directory"]),
            format=wanted["format"],
            precision=wanted["precision"],
            device=wanted.get("device") or "cpu",
            size=int(wanted["size_bytes"]),
            parameters=int(data["parameters"]),
            provenance={"pin": given.get("pin"), "sources": given.get("sources", [])},
        )
    except OSError as error:
        raise PlanError(f"the plan {path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PlanError(f"the plan {path} is not usable: {type(error).__name__}: {error}") from None
    if (plan.source_format, plan.format) not in ROUTES:
        raise PlanError(f"nothing converts {plan.source_format} weights to {plan.format}; a way of its own is needed")
    if plan.precision not in PRECISIONS[plan.format]:
        known = ", ".join(PRECISIONS[plan.format])
        raise PlanError(f"{plan.format} weights are made with one of {known}, not with '{plan.precision}'")
    if plan.device not in DEVICES:
        raise PlanError(f"the device is one of {', '.join(DEVICES)}, not '{plan.device}'")
    for parent in (plan.source, plan.directory):
        if not parent.is_dir():
            raise PlanError(f"{parent} is no folder: mount the volume there")
    return plan
