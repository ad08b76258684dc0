"""The ONNX server against the bare loop of its library, in one run on the same folder.

`python -m bench.onnx_bare FOLDER` starts the server on loopback, then takes turns: the library's generator loop at one
stream, its batch of four (which begins and ends together, so it is an upper bound), the server at one and at four
streams. Prompt speed is that of one stream up to its first token, decode speed is after it, and the total counts the
generated tokens of all streams over the whole time. Each figure is the best of the rounds: a busy machine only takes
away.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import onnxruntime_genai as og  # type: ignore[import-untyped]
from rich.console import Console
from rich.table import Table

QUESTION = "Explain how a hash table works, with an example in Python and the cost of each operation."
PADDING = "The quick brown fox jumps over the lazy dog. "
Figures = tuple[float, float, float]
"""Tokens per second: prompt, decode, total."""

ROOT = Path(__file__).resolve().parents[1]


class Bare:
    """The loop that the library's own examples show."""

    def __init__(self, folder: Path, threads: int) -> None:
        og.disable_telemetry_events()
        config = og.Config(str(folder))
        config.clear_providers()
        config.overlay(json.dumps({"model": {"decoder": {"session_options": {"intra_op_num_threads": threads}}}}))
        self._model = og.Model(config)
        self._tokenizer = og.Tokenizer(self._model)

    def tokens(self, text: str) -> list[int]:
        """The prompt as the chat template gives it."""
        prompt = self._tokenizer.apply_chat_template(
            json.dumps([{"role": "user", "content": text}]), add_generation_prompt=True
        )
        return [int(token) for token in self._tokenizer.encode(prompt)]

    def run(self, text: str, count: int, streams: int) -> Figures:
        """Measure `streams` answers of `count` tokens in one batch."""
        prompt = self.tokens(text)
        parameters = og.GeneratorParams(self._model)
        parameters.set_search_options(
            max_length=len(prompt) + count, min_length=len(prompt) + count, do_sample=False, batch_size=streams
        )
        generator = og.Generator(self._model, parameters)
        stream = self._tokenizer.create_stream()
        started = time.perf_counter()
        generator.append_tokens(np.array(prompt * streams, dtype=np.int32))
        generator.generate_next_token()
        first = time.perf_counter()
        made = 1
        while not generator.is_done():
            generator.generate_next_token()
            stream.decode(generator.get_next_tokens()[0])
            made += 1
        end = time.perf_counter()
        return (
            streams * len(prompt) / (first - started),
            streams * (made - 1) / (end - first),
            streams * made / (end - started),
        )


async def served(address: str, text: str, prompt_tokens: int, count: int, streams: int) -> Figures:
    """The same through the server. Tokens are counted by its own usage report."""

    async def one(client: httpx.AsyncClient, number: int) -> tuple[float, float, int]:
        # The number in front keeps the server from finding the prompt in its cache.
        question = {"role": "user", "content": f"{number} {time.time_ns()} {text}"}
        asked = {"model": "m", "messages": [question], "max_tokens": count, "temperature": 0, "stream": True}
        first, usage = 0.0, 0
        async with client.stream("POST", address, json=asked | {"stream_options": {"include_usage": True}}) as answer:
            async for line in answer.aiter_lines():
                if not first and '"content": "' in line and '"content": ""' not in line:
                    first = time.perf_counter()
                if '"usage"' in line:
                    usage = json.loads(line[6:])["usage"]["completion_tokens"]
        return first, time.perf_counter(), usage

    async with httpx.AsyncClient(timeout=600) as client:
        started = time.perf_counter()
        done = await asyncio.gather(*(one(client, number) for number in range(streams)))
    first, last = min(d[0] for d in done), max(d[1] for d in done)
    made = sum(d[2] for d in done)
    return prompt_tokens / (first - started), (made - 1) / (last - first), made / (last - started)


@contextmanager
def server(folder: Path, port: int, threads: int) -> Iterator[str]:
    """The server in a process of its own, ready."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "servers/onnx")}
    command = [sys.executable, "-m", "slm_onnx", "--folder", str(folder), "--model", "m", "--port", str(port)]
    options = ["--host", "127.0.0.1", "--threads", str(threads), "--log-level", "error"]
    with subprocess.Popen([*command, *options], env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 300
            while not _ready(f"http://127.0.0.1:{port}/ready"):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("the server did not become ready")
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/v1/chat/completions"
        finally:
            process.terminate()


def _ready(address: str) -> bool:
    try:
        return httpx.get(address).status_code == 200
    except httpx.TransportError:
        return False


def main() -> None:
    """Measure and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--prompt-repeats", type=int, default=12, help="sentences of ten tokens put into the prompt")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--port", type=int, default=21190)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    text = PADDING * asked.prompt_repeats + QUESTION
    bare = Bare(asked.folder, asked.threads)
    length = len(bare.tokens(text))
    best: dict[str, Figures] = {}

    def note(name: str, figures: Figures) -> None:
        before = best.get(name, figures)
        best[name] = (max(before[0], figures[0]), max(before[1], figures[1]), max(before[2], figures[2]))

    with server(asked.folder, asked.port, asked.threads) as address:
        for _ in range(asked.rounds):
            for streams in (1, 4):
                note(f"bare loop, {streams}", bare.run(text, asked.tokens, streams))
                note(f"server, {streams}", asyncio.run(served(address, text, length + 20, asked.tokens, streams)))
    if asked.json:
        print(
            json.dumps(
                {name: dict(zip(("prompt", "decode", "total"), figures, strict=True)) for name, figures in best.items()}
            )
        )
        return
    table = Table("streams", "prompt tokens/s", "decode tokens/s", "total tokens/s", title=f"{length} prompt tokens")
    for name, figures in best.items():
        table.add_row(name, *(f"{figure:.1f}" for figure in figures))
    Console().print(table)


if __name__ == "__main__":
    main()
