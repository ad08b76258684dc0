"""What to fetch: the plan file, and the errors everything here may raise."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slm_fetch.names import format_of, leaves_folder

SHA256 = re.compile(r"[0-9a-f]{64}")
FOLDER_KINDS = ("neighbour", "huggingface", "azure", "path")
"""Sources that can serve a whole folder; the others serve one file."""


class PlanError(Exception):
    """The plan file cannot be used. The message says why."""


class SourceFailed(Exception):
    """This source cannot serve the weights now; another one may. The message is for people and holds no secret."""


class WrongBytes(SourceFailed):
    """What arrived whole is not what is wanted; it was deleted."""


class NoSpace(Exception):
    """The disk is too small. The message names the needed and the free space."""


@dataclass(frozen=True)
class Wanted:
    """One file below the weights' folder, and what is known of its content before it is fetched.

    `size` in bytes. `git_oid` is the SHA-1 git gives a small file, `md5` a transport check: both only show damage on
    the way, while `sha256` shows any change.
    """

    path: str
    size: int | None = None
    sha256: str | None = None
    git_oid: str | None = None
    md5: str | None = None


@dataclass(frozen=True)
class Plan:
    """The files, where they go and where they may come from. Sizes in bytes, times in seconds.

    `size` is that of all files together, as far as known an estimate. `files` is empty for a folder that is to be
    listed; `format` then says which weights are meant where a folder holds several. `quantization` is the method the
    checkpoint is said to be quantised with, None for none.
    """

    name: str
    files: tuple[Wanted, ...]
    size: int
    directory: Path
    layout: str
    sources: list[dict[str, Any]]
    format: str | None
    quantization: str | None
    ca_bundle: Path | None
    timeout: float
    longest_pause: float
    longest_wait: float
    streams: int

    @property
    def file(self) -> str:
        """The name of the only file of the layouts that have one."""
        return self.files[0].path

    @property
    def sha256(self) -> str | None:
        """The pin of that file."""
        return self.files[0].sha256


def read_plan(path: Path) -> Plan:
    """Read the plan. Raises PlanError."""
    try:
        data = json.loads(path.read_text())
        plan = Plan(
            name=data["name"],
            files=tuple(
                Wanted(
                    file["path"],
                    None if file.get("size_bytes") is None else int(file["size_bytes"]),
                    file.get("sha256"),
                )
                for file in data["files"]
            ),
            size=int(data["size_bytes"]),
            directory=Path(data["directory"]),
            layout=data["layout"],
            sources=list(data["sources"]),
            format=data.get("format"),
            quantization=data.get("quantization"),
            ca_bundle=Path(data["ca_bundle"]) if data.get("ca_bundle") else None,
            timeout=float(data.get("timeout", 30)),
            longest_pause=float(data.get("longest_pause", 20)),
            longest_wait=float(data.get("longest_wait", 300)),
            streams=max(1, min(2, int(data.get("streams", 2)))),
        )
        reason = _refused(plan)
    except OSError as error:
        raise PlanError(f"the plan {path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PlanError(f"the plan {path} is not usable: {type(error).__name__}: {error}") from None
    if reason:
        raise PlanError(f"the plan {path} {reason}")
    return plan


def _refused(plan: Plan) -> str | None:
    if plan.layout not in ("ollama", "file", "folder") or not plan.sources:
        return "needs a layout (ollama, file or folder) and at least one source"
    for file in plan.files:
        if leaves_folder(file.path) or file.path.split("/")[0] == "fetched":
            return f"is refused: file '{file.path}' does not stay inside the weights' folder"
        if format_of(file.path) is None:
            return (
                f"is refused: file '{file.path}' is in a format that can run code when it is opened, or in an unknown"
                " one; safetensors, onnx, gguf and the text files beside them are fetched"
            )
        if file.sha256 is not None and not SHA256.fullmatch(file.sha256):
            return f"is refused: the sha256 of '{file.path}' is not one"
    paths = [file.path for file in plan.files]
    if len(set(paths)) != len(paths):
        return "names a file twice"
    if plan.layout == "folder":
        wrong = [source["kind"] for source in plan.sources if source["kind"] not in FOLDER_KINDS]
        return f"is refused: a source of kind {wrong[0]} serves one file and no folder" if wrong else None
    if len(paths) != 1 or "/" in paths[0]:
        return f"needs exactly one file, with a plain file name, for the layout {plan.layout}"
    return None
