"""Does it fit? One engine with one model on one machine: numbers first, then the verdict (pure).

Conservative where something is not known for certain: a fit is only called one when all that is known says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Literal

from pydantic import Field

from components.engines.base import EngineBase
from components.engines.units import mebibytes
from components.footprint import Footprint
from components.models import Model
from components.sizing.knobs import knobs_of
from components.sizing.machine import Machine
from components.workload import Value

Answer = Literal["fit", "tight", "misfit", "unknown"]
WORST: tuple[Answer, ...] = ("fit", "unknown", "tight", "misfit")
"""From best to worst. Unknown is no reason to refuse, so what is certain counts more."""

MARGIN = 0.10
"""Less free than this share of what there is: tight. Predictions are up to a tenth off."""

DISK_HEADROOM = 1.2
"""Volumes hold a fifth more than the weights: partial files, and what a conversion holds for a moment."""

MOST_REQUESTS = 4096
STEP = 1024
"""Contexts are proposed in multiples of this many tokens."""


class Part(Value):
    """One resource: what is needed of it and what there is, in MiB (None: not known)."""

    resource: Literal["vram", "ram", "disk"]
    needed_mib: int = Field(ge=0)
    available_mib: int | None = None

    @property
    def headroom_mib(self) -> int | None:
        """What is left; negative when it is too little, None when nobody knows."""
        return None if self.available_mib is None else self.available_mib - self.needed_mib

    @property
    def answer(self) -> Answer:
        """The verdict by this resource alone."""
        if self.available_mib is None or self.headroom_mib is None:
            return "unknown"
        if self.headroom_mib < 0:
            return "misfit"
        return "tight" if self.headroom_mib < self.available_mib * MARGIN else "fit"


class Verdict(Value):
    """What sizing says about one engine. `reasons` are sentences about what does not fit or is not known.

    `context` and `requests` are what it is asked for, `kv_tokens` the tokens whose keys and values fit beside the
    weights, `most_context` the longest context for these requests, `most_requests` the most requests with this
    context; None where nothing limits them or nothing is known.
    """

    machine: str
    answer: Answer
    parts: tuple[Part, ...]
    footprint: Footprint
    context: int | None
    requests: int
    kv_tokens: int | None = None
    most_context: int | None = None
    most_requests: int | None = None
    reasons: tuple[str, ...] = ()

    def part(self, resource: str) -> Part | None:
        """The part of one resource, if it plays a role."""
        return next((part for part in self.parts if part.resource == resource), None)


def judge(engine: EngineBase, model: Model, machine: Machine, taken_ram_mib: int = 0) -> Verdict:
    """The verdict. `taken_ram_mib` is main memory that other engines of the same machine take.

    Raises ValueError when the model has no weights the engine can serve.
    """
    need, knobs = engine.footprint(model), knobs_of(engine)
    parts = _parts(engine, need, machine, taken_ram_mib)
    wrong = list(_does_not_have(engine, machine))
    reasons = [*machine.unknown, *wrong]
    # Main memory and disk that nobody declared are looked at by `up`; a GPU's memory by nobody.
    answers = {part.resource: part.answer for part in parts if part.answer != "unknown" or part.resource == "vram"}
    one = knobs.with_requests(engine, 1)
    if answers.get("vram") == "misfit" and _preempts(engine) and fits(one, model, machine, taken_ram_mib):
        # vLLM starts when one sequence fits; further ones wait for each other instead of failing.
        answers["vram"] = "tight"
        reasons.append("not all requests fit at once with full contexts: some would be preempted and computed again")
    found: set[Answer] = set(answers.values())
    found |= {"misfit"} if wrong else set()
    found |= {"unknown"} if machine.unknown or not found else set()
    return Verdict(
        machine=machine.name,
        answer=max(found, key=WORST.index),
        parts=parts,
        footprint=need,
        context=knobs.context(engine),
        requests=knobs.requests(engine),
        kv_tokens=_kv_tokens(engine, model, machine, taken_ram_mib),
        most_context=_most_context(engine, model, machine, taken_ram_mib),
        most_requests=_most_requests(engine, model, machine, taken_ram_mib),
        reasons=tuple(reasons),
    )


def _does_not_have(engine: EngineBase, machine: Machine) -> Iterator[str]:
    if engine.gpus > machine.gpus:
        yield f"it wants {engine.gpus} GPUs, and {machine.name} has {machine.gpus}"
    if machine.vcpus is not None and engine.cpus > machine.vcpus:
        yield f"it wants {engine.cpus:g} CPUs, and {machine.name} has {machine.vcpus}"
    if machine.gpu is not None and not machine.gpu.bf16 and getattr(engine, "dtype", None) == "bfloat16":
        yield f"dtype: bfloat16 needs compute capability 8.0, and a {machine.gpu_name} has less (use float16)"
    limit = mebibytes(engine.memory) if engine.memory else 0
    if machine.ram_mib is not None and limit > machine.ram_mib:
        yield f"its memory: {engine.memory} is more than the {machine.ram_mib} MiB that {machine.name} has for it"


def fits(engine: EngineBase, model: Model, machine: Machine, taken_ram_mib: int = 0) -> bool:
    """Whether nothing that is known speaks against it. Raises ValueError when there are no weights for the engine."""
    return all(part.answer != "misfit" for part in _parts(engine, engine.footprint(model), machine, taken_ram_mib))


def _parts(engine: EngineBase, need: Footprint, machine: Machine, taken_ram_mib: int) -> tuple[Part, ...]:
    parts: list[Part] = []
    if need.device == "vram":
        share = engine.gpus * knobs_of(engine).share(engine)
        room = None if machine.gpu is None else max(0, int(machine.gpu.usable_mib * share) - machine.taken_vram_mib)
        parts.append(Part(resource="vram", needed_mib=need.device_mib, available_mib=room))
    host = need.host_mib + (need.device_mib if machine.shares_memory and need.device == "vram" else 0)
    there = [] if machine.ram_mib is None else [max(0, machine.ram_mib - taken_ram_mib)]
    # The engine's own limit holds as the machine's does: it would be killed at it.
    there += [mebibytes(engine.memory)] if engine.memory else []
    ram = min(there) if there else None
    parts.append(Part(resource="ram", needed_mib=host, available_mib=ram))
    disk = math.ceil(need.disk_mib * DISK_HEADROOM)
    parts.append(Part(resource="disk", needed_mib=disk, available_mib=machine.disk_mib))
    return tuple(parts)


def _preempts(engine: EngineBase) -> bool:
    return str(getattr(engine, "kind", "")) == "vllm" and engine.gpus > 0


def _limited(machine: Machine, engine: EngineBase) -> bool:
    """Whether the memory that the cache lies in is known."""
    return machine.gpu is not None if engine.gpus else machine.ram_mib is not None


def _kv_tokens(engine: EngineBase, model: Model, machine: Machine, taken: int) -> int | None:
    """Tokens of all requests together that fit, when none has a window: the largest single context."""
    knobs = knobs_of(engine)
    if knobs.context_field is None or not _limited(machine, engine):
        return None
    single = knobs.with_requests(engine, 1)
    return _largest(lambda n: fits(knobs.with_context(single, n), model, machine, taken), 1, 1 << 24)


def _most_context(engine: EngineBase, model: Model, machine: Machine, taken: int) -> int | None:
    knobs = knobs_of(engine)
    if knobs.context_field is None or not _limited(machine, engine):
        return None
    most = _largest(
        lambda n: fits(knobs.with_context(engine, n * STEP), model, machine, taken), 1, model.context_length // STEP
    )
    return most * STEP


def _most_requests(engine: EngineBase, model: Model, machine: Machine, taken: int) -> int | None:
    knobs = knobs_of(engine)
    if knobs.requests_field is None or not _limited(machine, engine):
        return None
    return _largest(lambda n: fits(knobs.with_requests(engine, n), model, machine, taken), 1, MOST_REQUESTS)


def _largest(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The largest number from low to high for which it holds; 0 when it holds for none. It may not hold again above."""
    if high < low or not holds(low):
        return 0
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low
