"""Predicted against measured memory: a running stack's engines are filled with requests while their memory is watched.

    python -m bench.calibrate --stack dev --markdown bench/results/calibration.md --json bench/results/calibration.json

What is measured is what a memory limit must leave room for: memory that cannot be dropped, and the weights as far as
they are mapped. Pages of files that were only read are not in it: the kernel drops them before it kills anything.
Each engine is started anew with an empty page cache, which takes root: a page that was in memory already, because a job
had written the file, counts for the container that read it first, and an engine would look smaller than it is.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from bench.engines_container import start_up
from components.engines.base import EngineBase
from components.footprint import MIB, Footprint
from components.models import Model
from components.sizing.knobs import knobs_of
from ops.errors import UserError

if TYPE_CHECKING:
    from docker.models.containers import Container

GOAL = 0.10
"""Predicted may be above measured by this share; below it, never."""

WORDS = ("river", "stone", "cloud", "paper", "light", "chair", "green", "seven", "music", "table")


@dataclass(frozen=True)
class Row:
    """One engine with one setting: what it was predicted to need and what it took at its peak, in MiB."""

    engine: str
    model: str
    weights: str
    context: int
    requests: int
    predicted: Footprint
    measured_mib: int
    after_load_mib: int
    seconds: float

    @property
    def error(self) -> float:
        """How far the prediction is above the measurement, as a share of it; negative when it is below."""
        return self.predicted.host_mib / self.measured_mib - 1

    @property
    def verdict(self) -> str:
        """In one word or two, for the table."""
        return "under" if self.error < 0 else "met" if self.error <= GOAL else "above goal"

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            **asdict(self),
            "predicted": self.predicted.model_dump(),
            "error": round(self.error, 4),
            "verdict": self.verdict,
        }


def resident_mib(stats: Mapping[str, Any]) -> int:
    """MiB that cannot be dropped, out of one answer of Docker's statistics (control groups of version 1 or 2).

    0 for a container that does not run.
    """
    facts: Mapping[str, int] = stats.get("memory_stats", {}).get("stats", {})
    if "total_rss" in facts or "rss" in facts:
        kept = facts.get("total_rss", facts.get("rss", 0)) + facts.get("total_mapped_file", facts.get("mapped_file", 0))
    else:
        kept = facts.get("anon", 0) + facts.get("file_mapped", 0) + facts.get("shmem", 0)
    return int(kept / MIB)


class Watch:
    """Reads a container's memory again and again in a thread of its own, and keeps the highest value."""

    def __init__(self, container: Container, interval: float = 0.2) -> None:
        self.peak_mib = 0
        self._interval = interval
        self._read = partial(container.client.api.stats, container.id, stream=False, one_shot=True)  # type: ignore[union-attr, arg-type]
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def now(self) -> int:
        """Read once, in MiB."""
        found = resident_mib(self._read())
        self.peak_mib = max(self.peak_mib, found)
        return found

    def _run(self) -> None:
        while not self._done.wait(self._interval):
            # An answer that does not come in time (on a busy machine) is one sample less, not the end.
            with suppress(OSError):
                self.now()

    def __enter__(self) -> Watch:
        self.now()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(timeout=30)


def prompt(tokens: int, seed: int) -> str:
    """A text of about `tokens` tokens. Texts of other seeds differ from the start, so no cache can share them."""
    words = itertools.cycle(WORDS[seed % len(WORDS) :] + WORDS[: seed % len(WORDS)])
    return f"{seed}: " + " ".join(itertools.islice(words, max(1, tokens)))


Ask = Callable[[str], None]


def dearest(engine: EngineBase) -> dict[str, Any]:
    """Fields of a request that make an engine take the most memory for it: held to JSON, and with probabilities."""
    fields: dict[str, Any] = {}
    if "json_schema" in engine.capabilities:
        fields["response_format"] = {"type": "json_object"}
    if "logprobs" in engine.capabilities:
        fields |= {"logprobs": True, "top_logprobs": 5}
    return fields


def asker(
    url: str, model: str, key: str | None = None, timeout: float = 1800, fields: Mapping[str, Any] | None = None
) -> Ask:
    """Sends one chat message to an OpenAI-compatible server, with more `fields`.

    What it makes raises RuntimeError for a refusal.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}

    def ask(text: str) -> None:
        body = {"model": model, "max_tokens": 24, "messages": [{"role": "user", "content": text}], **(fields or {})}
        answer = httpx.post(f"{url}/chat/completions", json=body, headers=headers, timeout=timeout)
        if answer.status_code != 200:
            raise RuntimeError(f"the engine answered {answer.status_code}: {answer.text[:300]}")

    return ask


def forget_files() -> None:
    """Empty the page cache of this machine. Raises UserError without the right to."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("1\n")
    except OSError as error:
        raise UserError(
            f"the page cache cannot be emptied ({error.strerror})",
            harm="an engine's mapped weights would not be counted",
            fix="run it as root, on the machine of the Docker engine",
        ) from None


def greeted(ask: Ask) -> None:
    """Ask for a first answer. Raises UserError while there is none."""
    try:
        ask("Say hello.")
    except (RuntimeError, httpx.HTTPError) as error:
        raise UserError(f"no answer yet: {error}") from None


def measure(
    engine: EngineBase,
    name: str,
    model: Model,
    container: Container,
    ask: Ask,
    fill: float = 0.85,
    restart: bool = False,
) -> Row:
    """Fill every context of a running engine at once, to the share `fill`, and compare.

    With `restart` it starts anew before, so that its load is part of the peak and nothing of earlier questions is, and
    every page of its weights is its own. Raises RuntimeError, and UserError when it does not come back.
    """
    knobs = knobs_of(engine)
    context, requests = knobs.context(engine) or 2048, knobs.requests(engine) or 1
    began = time.monotonic()
    with Watch(container) as watch:
        if restart:
            start_up(container, partial(greeted, ask), between=forget_files)
        ask("Say hello.")
        after_load = watch.now()
        texts = [prompt(int(context * fill) - 64, seed) for seed in range(requests)]
        with ThreadPoolExecutor(requests) as pool:
            list(pool.map(ask, texts))
        watch.now()
    return Row(
        engine=name,
        model=model.name,
        weights=engine.weights_of(model)[0],
        context=context,
        requests=requests,
        predicted=engine.footprint(model),
        measured_mib=watch.peak_mib,
        after_load_mib=after_load,
        seconds=round(time.monotonic() - began, 1),
    )


def markdown(rows: Sequence[Row]) -> str:
    """The table for people, in MiB."""
    heads = ("Engine", "Model, weights", "Context x requests", "Predicted: weights + cache + server", "Measured")
    lines = [f"| {' | '.join((*heads, 'Error', 'Goal'))} |", "|---" * 7 + "|"]
    for row in rows:
        parts = row.predicted
        lines.append(
            f"| {row.engine} | {row.model}, {row.weights} | {row.context} x {row.requests} | {parts.host_mib}:"
            f" {parts.weights_mib} + {parts.kv_cache_mib} + {parts.overhead_mib} | {row.measured_mib} |"
            f" {row.error:+.1%} | {row.verdict} |"
        )
    return "\n".join(lines) + "\n"


def of_stack(stack: str, only: Sequence[str] = ()) -> list[Row]:
    """Measure the engines of a running stack, or `only` some, through its gateway. Raises UserError, RuntimeError."""
    from components.targets.docker.container import Names
    from ops import docker_client
    from ops.check import read
    from ops.machine import Machine
    from ops.pulumi_cli import Pulumi
    from ops.secrets import keys

    settings, client = read(stack), docker_client.connect()
    held = keys.load(Pulumi(Machine(stack)))
    if not held:
        raise UserError(f"stack '{stack}' has not been deployed from here", fix=f"make up STACK={stack}")
    rows = []
    for name, engine in settings.hosted.items():
        if only and name not in only:
            continue
        container = client.containers.get(Names(stack).container(name))
        ask = asker(settings.gateway.endpoint, engine.served_name, keys.current(held), fields=dearest(engine))
        rows.append(measure(engine, f"{name} ({engine.kind})", settings.model_of(name), container, ask, restart=True))
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Exit code 1 when an engine took more than predicted."""
    parser = argparse.ArgumentParser(prog="python -m bench.calibrate", description=__doc__)
    parser.add_argument("--stack", default="dev")
    parser.add_argument("--engine", action="append", default=[], help="only this one; may be given again")
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    rows = of_stack(given.stack, given.engine)
    text = markdown(rows)
    sys.stdout.write(text)
    if given.markdown:
        given.markdown.parent.mkdir(parents=True, exist_ok=True)
        given.markdown.write_text(text)
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps([row.document() for row in rows], indent=1) + "\n")
    return 1 if any(row.error < 0 for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
