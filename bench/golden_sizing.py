"""Our verdicts beside two others' formulas, as the table in docs/sizing.md. Run it to rewrite the table:

    python -m bench.golden_sizing

The formulas are read from the projects' sources (August 2026), written here anew and used for this table only.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.catalog import catalog
from components.catalog.hardware import hardware
from components.engines.base import EngineBase
from components.engines.llamacpp import LlamaCpp
from components.engines.ollama import Ollama
from components.engines.onnx import Onnx
from components.engines.vllm import Vllm
from components.models import Model
from components.sizing import Machine, judge
from components.sizing.verdict import Verdict

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "sizing.md"
BEGIN, END = "<!-- golden table: begin -->", "<!-- golden table: end -->"
GIB = 2**30


ENGINES: dict[str, type[EngineBase]] = {"llamacpp": LlamaCpp, "ollama": Ollama, "onnx": Onnx, "vllm": Vllm}


@dataclass(frozen=True)
class Case:
    """One engine and model with a context, a number of requests, and a GPU (or a host with that many GiB)."""

    kind: str
    model: str
    context: int
    requests: int
    where: str
    weights: str | None = None

    def engine(self) -> EngineBase:
        """The engine's settings."""
        common = {
            "target": "here",
            "model": self.model,
            "weights": self.weights,
            "gpus": 0 if self.where.startswith("host") else 1,
            "context_length": self.context,
            "parallel": self.requests,
        }
        return ENGINES[self.kind].model_validate({"kind": self.kind, **common})

    def machine(self) -> Machine:
        """A machine with that GPU and main memory enough, or a host with that much memory for engines."""
        if self.where.startswith("host"):
            return Machine(name=self.where, ram_mib=int(self.where.split()[1]) * 1024)
        gpu = hardware().gpus[self.where]
        return Machine(name=self.where, ram_mib=256 * 1024, gpu=gpu, gpu_name=self.where, gpus=1)

    def verdict(self) -> Verdict:
        """Ours."""
        return judge(self.engine(), catalog().models[self.model], self.machine())


CASES = (
    Case("ollama", "qwen2.5-0.5b-instruct", 4096, 4, "A10-4Q"),
    Case("ollama", "qwen3-0.6b", 40_960, 8, "T4"),
    Case("ollama", "gemma-3-1b-it", 32_768, 8, "A10-4Q"),
    Case("ollama", "llama-3.2-1b-instruct", 131_072, 1, "T4"),
    Case("ollama", "smollm2-1.7b-instruct", 8192, 16, "A10-8Q"),
    Case("ollama", "smollm3-3b", 65_536, 2, "L4"),
    Case("ollama", "llama-3.2-3b-instruct", 131_072, 1, "T4"),
    Case("ollama", "phi-3.5-mini-instruct", 16_384, 1, "RTX-3060"),
    Case("ollama", "phi-3.5-mini-instruct", 131_072, 1, "A10"),
    Case("ollama", "phi4-mini", 16_384, 4, "T4"),
    Case("ollama", "phi4-mini", 32_768, 4, "T4"),
    Case("ollama", "phi4-mini", 131_072, 1, "T4"),
    Case("ollama", "phi4-mini", 4096, 4, "host 8"),
    Case("ollama", "phi4-mini", 4096, 4, "host 4"),
    Case("ollama", "gemma-3-4b-it", 131_072, 1, "RTX-4060"),
    Case("ollama", "qwen2.5-7b-instruct", 32_768, 2, "RTX-3060"),
    Case("ollama", "qwen2.5-7b-instruct", 32_768, 1, "RTX-4060", "gguf-q8_0"),
    Case("ollama", "mistral-7b-instruct-v0.3", 8192, 1, "RTX-4060"),
    Case("ollama", "llama-3.1-8b-instruct", 131_072, 1, "A10"),
    Case("ollama", "qwen3-8b", 40_960, 4, "A10"),
    Case("ollama", "gemma-3-12b-it", 32_768, 1, "RTX-3060"),
    Case("ollama", "qwen2.5-14b-instruct", 4096, 1, "A10-12Q"),
    Case("ollama", "phi-4", 16_384, 1, "T4"),
    Case("ollama", "mistral-small-24b-instruct-2501", 32_768, 1, "L4"),
    Case("ollama", "mistral-small-24b-instruct-2501", 4096, 1, "host 16"),
    Case("ollama", "gemma-3-27b-it", 8192, 1, "RTX-4090"),
    Case("llamacpp", "phi4-mini", 16_384, 4, "T4"),
    Case("llamacpp", "phi4-mini", 32_768, 4, "T4"),
    Case("llamacpp", "qwen3-14b", 16_384, 1, "host 16"),
    Case("onnx", "phi4-mini", 8192, 4, "T4"),
    Case("onnx", "phi4-mini", 32_768, 4, "T4"),
    Case("onnx", "phi4-mini", 4096, 1, "host 8"),
    Case("vllm", "qwen3-0.6b", 8192, 8, "T4"),
    Case("vllm", "qwen2.5-1.5b-instruct", 32_768, 4, "A10-8Q"),
    Case("vllm", "phi4-mini", 16_384, 1, "T4"),
    Case("vllm", "phi4-mini", 32_768, 1, "T4"),
    Case("vllm", "phi4-mini", 32_768, 1, "T4", "safetensors-w4a16"),
    Case("vllm", "phi4-mini", 65_536, 1, "L4"),
    Case("vllm", "qwen2.5-7b-instruct", 32_768, 2, "A10"),
    Case("vllm", "llama-3.1-8b-instruct", 131_072, 1, "A10"),
    Case("vllm", "llama-3.1-8b-instruct", 131_072, 4, "A100-80"),
    Case("vllm", "qwen3-14b", 40_960, 4, "A100-80"),
    Case("vllm", "mistral-small-24b-instruct-2501", 32_768, 8, "H100-NVL"),
)


def kaito(weights_bytes: int, model: Model, context: int, gpu_gib: float) -> bool:
    """Whether KAITO runs it on one GPU (pkg/workspace/estimator/nodesestimator/estimator.go, commit 056b8280).

    Weights grow by 2 %; 84 % of the GPU may be used, less 2.3 GiB and one context; a further 5 % of the weights is
    overhead. It knows vLLM only, one context whatever the number of requests, and no sliding windows.
    """
    room = gpu_gib * GIB * 0.84 - 2.3 * GIB - context * model.kv_bytes_per_token
    return room > 0 and int(weights_bytes * 1.02 / (room / 1.05)) + 1 <= 1


def gpustack(weights_bytes: int, gpu_gib: float) -> bool:
    """Whether GPUStack's rule of thumb takes it: 1.2 x weights and 2 GiB (gpustack/policies/utils.py, 47277d79)."""
    return weights_bytes * 1.2 + 2 * GIB <= gpu_gib * GIB


def rows() -> Iterator[tuple[str, ...]]:
    """The table's cells, case by case."""
    for case in CASES:
        engine, model = case.engine(), catalog().models[case.model]
        key, weights = engine.weights_of(model)
        verdict = case.verdict()
        memory = verdict.part("vram" if engine.gpus else "ram")
        numbers = "-"
        if memory is not None and memory.available_mib is not None:
            numbers = f"{memory.needed_mib / 1024:.1f} of {memory.available_mib / 1024:.1f}"
        gpu = hardware().gpus.get(case.where)
        others = (
            ("-", "-")
            if gpu is None
            else (
                _word(kaito(weights.size_bytes, model, case.context, gpu.memory_gib)),
                _word(gpustack(weights.size_bytes, gpu.memory_gib)),
            )
        )
        asked = f"{case.context} x {case.requests}"
        most = "-" if verdict.most_context is None else f"{verdict.most_context} x {case.requests}"
        yield (case.kind, case.model, key, asked, case.where, numbers, verdict.answer, most, *others)


def _word(fits: bool) -> str:
    return "fit" if fits else "misfit"


HEADINGS = ("Engine", "Model", "Weights", "Asked", "On", "GiB", "Ours", "Most", "KAITO", "GPUStack")


def table() -> str:
    """The table in Markdown."""
    lines = [f"| {' | '.join(HEADINGS)} |", "|---" * len(HEADINGS) + "|"]
    lines += [f"| {' | '.join(cells)} |" for cells in rows()]
    return "\n".join(lines)


def written(text: str) -> str:
    """A document with today's table between its two marks. Raises ValueError when they are not there."""
    found, count = re.subn(
        f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: f"{BEGIN}\n\n{table()}\n\n{END}", text, flags=re.DOTALL
    )
    if count != 1:
        raise ValueError(f"the document has no place for the table: {BEGIN} … {END}")
    return found


def main() -> int:
    """Rewrite the table in the document."""
    DOCUMENT.write_text(written(DOCUMENT.read_text()))
    sys.stdout.write(table() + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
