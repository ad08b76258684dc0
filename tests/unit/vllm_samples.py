"""A vLLM engine and models as tests need them, and the command lines of the pinned releases."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from components.catalog import catalog
from components.engines.vllm import Vllm
from components.models import Model
from components.workload import Workload
from tests.unit.models_samples import model as gguf_model

DATA = Path(__file__).with_name("data")
RELEASES = ("0.32.0", "0.33.0")
"""0.32.0 is what a site builds from packages, 0.33.0 what the catalogue's published images are."""

IMAGES = defaultdict(lambda: "sha256:" + "f" * 64, {"vllm": "sha256:" + "a" * 64, "vllm-cpu": "sha256:" + "b" * 64})
HUB = {"kind": "huggingface", "repo": "maker/tiny", "revision": "e" * 40, "folder": ""}
PHI = "phi4-mini"


def vllm(**changes: Any) -> Vllm:
    return Vllm.model_validate({"kind": "vllm", "target": "local", "model": "tiny-0.5b"} | changes)


def model(quantization: str | None = None, precision: str = "bf16", size: int = 1_000_000_000, **changes: Any) -> Model:
    """A half-billion-parameter model as safetensors; GGUF beside it, which vLLM must not take."""
    folder = {
        "format": "safetensors",
        "precision": precision,
        "quantization": quantization,
        "size_bytes": size,
        "files": [{"path": "config.json", "size_bytes": 10, "sha256": "3" * 64}],
        "sources": [HUB],
    }
    weights = {**gguf_model().model_dump(mode="json")["weights"], f"safetensors-{precision}": folder}
    facts = {"capabilities": ["chat", "tools"], "tool_parser": "hermes", "weights": weights}
    return gguf_model(**facts | changes)


def phi() -> Model:
    return catalog().models[PHI]


def workload(a_model: Model | None = None, **changes: Any) -> Workload:
    return vllm(**changes).workload("chat", a_model or model(), IMAGES)


@cache
def release(version: str) -> dict[str, Any]:
    """What tests/docker/vllm_cli.py wrote down of a release."""
    facts: dict[str, Any] = json.loads((DATA / f"vllm-{version}-flags.json").read_text())
    return facts


class _Strict(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


@cache
def _parser(version: str) -> _Strict:
    parser = _Strict(allow_abbrev=False)
    parser.add_argument("model_tag")
    for flag, form in release(version)["flags"].items():
        if flag == "--help":
            continue
        if form == "switch":
            parser.add_argument(flag, action="store_true", default=None)
        elif isinstance(form, list):
            parser.add_argument(flag, choices=form)
        else:
            parser.add_argument(flag, nargs="+" if form == "values" else None)
    return parser


def parse(version: str, args: tuple[str, ...]) -> dict[str, Any]:
    """The arguments as a release's command line understands them. Raises ValueError for what it would refuse."""
    given = _parser(version).parse_args(args)
    return {name: value for name, value in vars(given).items() if value is not None}
