"""Which files of a folder belong to weights of one format (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from components.model_sources import SAFE_FORMATS
from components.weights import Format

ENDINGS: dict[Format, re.Pattern[str]] = {
    "gguf": re.compile(r"\.gguf$", re.IGNORECASE),
    "safetensors": re.compile(r"\.safetensors$", re.IGNORECASE),
    "onnx": re.compile(r"\.onnx([._]data(_[0-9]+)?)?$", re.IGNORECASE),
}
"""How the names of the weights themselves end."""

_USUAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


def taken(paths: Sequence[str], kind: Format) -> list[str]:
    """Which of a folder's files a fetch takes: those of the meant format and the text files beside them.

    The fetch program decides the same for a folder that is not looked up (images/fetch/slm_fetch/names.py).
    """
    others = [ending for name, ending in ENDINGS.items() if name != kind]
    twins = {PurePosixPath(path).parent for path in paths if PurePosixPath(path).match("model*.safetensors")}
    return [
        path
        for path in paths
        if SAFE_FORMATS.search(path)
        and _USUAL.fullmatch(path)
        and path.split("/")[0] != "fetched"
        and not any(ending.search(path) for ending in others)
        and not (PurePosixPath(path).match("consolidated*.safetensors") and PurePosixPath(path).parent in twins)
    ]
