"""What the vLLM engine gets beside its image: its files, and the volume of its caches (pure)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from components.engines.scripts import script
from components.engines.vllm_arguments import CHAT_TEMPLATE, SHIPPED_PARSERS, TOOL_PARSERS
from components.engines.vllm_environment import CACHE
from components.models import Model
from components.workload import File, Image, Volume

if TYPE_CHECKING:
    from components.engines.vllm import Vllm

HERE = Path(__file__).parent
CACHE_GIB = 8


def files(engine: Vllm, model: Model) -> tuple[File, ...]:
    """Its probe, the chat template where the model has one of its own, and our tool parsers where they are used."""
    found = [script("probe", "vllm")]
    if (template := model.chat_template_text) is not None:
        found.append(File(name=CHAT_TEMPLATE, content=template))
    if engine.calls_tools(model) and model.tool_parser in SHIPPED_PARSERS:
        found.append(File(name=TOOL_PARSERS, content=(HERE / "vllm_tool_parsers.py").read_text()))
    return tuple(found)


def cache_volume(name: str, image: Image) -> Volume:
    """Compiled code, which is trusted: one volume for one engine of one version, never shared."""
    version = hashlib.sha256(f"{name} {image}".encode()).hexdigest()[:12]
    short = name[:20].rstrip("-")
    return Volume(name=f"{short}-cache-{version}", path=CACHE, read_only=False, size_gib=CACHE_GIB, keep=True)
