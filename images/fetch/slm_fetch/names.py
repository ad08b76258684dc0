"""Which files are fetched at all: by the formats that hold only data, and by names that stay inside their folder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

USUAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
"""Names that the rest of the project can describe."""

FORMATS = {
    "safetensors": re.compile(r"\.safetensors$"),
    "gguf": re.compile(r"\.gguf$"),
    # Weights of a large ONNX model lie beside it, under one of two customary names.
    "onnx": re.compile(r"\.onnx([._]data(_[0-9]+)?)?$"),
    "text": re.compile(r"(\.json|\.txt|\.jinja|(^|/)tokenizer\.model)$"),
}
"""Opening any of these runs no code; pickles (.bin, .pt, .pth, .ckpt) and Python files are absent on purpose."""


def format_of(path: str) -> str | None:
    """Which of FORMATS the file is in, or None for one that is never fetched."""
    return next((name for name, ending in FORMATS.items() if ending.search(path.lower())), None)


def leaves_folder(path: str) -> bool:
    """Whether writing to `path` below a folder could write anywhere else."""
    parts = path.split("/")
    return (
        not path
        or len(path) > 500
        or "\\" in path
        or any(ord(letter) < 32 or letter == "\x7f" for letter in path)
        or any(part in ("", ".", "..") or len(part) > 200 for part in parts)
    )


def clash(paths: Iterable[str]) -> str | None:
    """A path that would have to be a file and a folder at once, or twice the same file."""
    seen: set[str] = set()
    for path in sorted(paths):
        if path in seen or seen.intersection(str(parent) for parent in PurePosixPath(path).parents):
            return path
        seen.add(path)
    return None


def skip_reason(path: str, wanted_format: str | None, all_paths: Iterable[str]) -> str | None:
    """Why a listed file is left out, or None. `wanted_format` is the format of the weights that are meant."""
    kind = format_of(path)
    if kind is None:
        return "not a format that only holds data"
    if not USUAL.fullmatch(path) or path.split("/")[0] == "fetched":
        return "unusual name"
    if wanted_format and kind not in (wanted_format, "text"):
        return f"{kind}, not {wanted_format}"
    name = PurePosixPath(path)
    # Some publishers put the same weights in a second time, in their own arrangement.
    if name.name.startswith("consolidated") and kind == "safetensors":
        twins = (PurePosixPath(p) for p in all_paths)
        if any(t.parent == name.parent and t.match("model*.safetensors") for t in twins):
            return "a second copy of the weights"
    return None
