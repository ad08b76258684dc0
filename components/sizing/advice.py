"""What to change when it does not fit: every proposal has been judged on the same machine before it is made (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from components.catalog.hardware import Hardware, hardware
from components.engines.base import EngineBase
from components.footprint import Footprint
from components.models import Model
from components.sizing.knobs import knobs_of
from components.sizing.machine import Machine, for_pod, of_vm_size
from components.sizing.verdict import Answer, Verdict, judge
from components.workload import Value

ACCEPTABLE: tuple[Answer, ...] = ("fit", "tight")


class Change(Value):
    """One thing to change so that it fits: `settings` of the engine (or `vm_size` of its pool), and a phrase."""

    settings: dict[str, str | int]
    phrase: str
    answer: Answer


def changes(engine: EngineBase, model: Model, machine: Machine, verdict: Verdict, taken: int = 0) -> tuple[Change, ...]:
    """Single changes that make it fit, the least painful first. Empty when none does alone."""
    found: dict[str, Change] = {}
    for settings, phrase, changed in _variants(engine, model, machine, verdict):
        if (answer := _answer(changed, model, machine, taken)) in ACCEPTABLE:
            # Of several values of one setting, the first that is enough.
            found.setdefault(next(iter(settings)), Change(settings=settings, phrase=phrase, answer=answer))
    proposals = list(found.values())
    proposals += [
        Change(settings={"vm_size": name}, phrase=phrase, answer=answer)
        for name, phrase, answer in _sizes(engine, model, machine)
    ]
    if engine.gpus and (answer := _answer(_on_cpu(engine), model, machine, taken)) in ACCEPTABLE:
        proposals.append(Change(settings={"gpus": 0}, phrase="gpus: 0 (on the CPU, much slower)", answer=answer))
    return tuple(proposals)


def vm_sizes(engine: EngineBase, model: Model, known: Hardware | None = None) -> tuple[str, ...]:
    """Catalogue sizes that an engine fits on, the cheapest first; sizes without a known price come last, by memory.

    Only sizes with a GPU for an engine with one, and without for one without.
    """
    known, found = known or hardware(), []
    for name, size in known.vm_sizes.items():
        if (size.gpus > 0) != (engine.gpus > 0) or size.gpus < engine.gpus:
            continue
        node = for_pod(of_vm_size(name, size, known), engine)
        answer = _answer(engine, model, node)
        if answer in ACCEPTABLE:
            memory = node.gpu.usable_mib * size.gpus if node.gpu else size.memory_gib * 1024
            price = size.usd_per_hour
            # A tight fit is only proposed after every real one: predictions are up to a tenth off.
            found.append((answer != "fit", price is None, price or 0.0, memory, size.memory_gib, name))
    return tuple(name for *_, name in sorted(found))


def summary(engine: EngineBase, model: Model, machine: Machine, verdict: Verdict, taken: int = 0) -> str:
    """One line: what fits instead, and what else would help. Ends without a full stop."""
    proposals = [change.phrase for change in changes(engine, model, machine, verdict, taken)]
    if not proposals:
        return "no single change is enough: choose a smaller model or a larger machine"
    return "; or ".join(proposals)


def _answer(engine: EngineBase, model: Model, machine: Machine, taken: int = 0) -> Answer:
    try:
        return judge(engine, model, machine, taken).answer
    except ValueError:
        return "misfit"


def _variants(
    engine: EngineBase, model: Model, machine: Machine, verdict: Verdict
) -> Iterator[tuple[dict[str, str | int], str, EngineBase]]:
    knobs = knobs_of(engine)
    on = f"on {_article(verdict.machine)}"
    if knobs.context_field and verdict.most_context and verdict.context and verdict.most_context < verdict.context:
        tokens = verdict.most_context
        phrase = f"fits {_thousands(tokens)} context {on}, not {_thousands(verdict.context)}"
        yield (
            {knobs.context_field: tokens},
            f"{phrase} ({knobs.context_field}: {tokens})",
            knobs.with_context(engine, tokens),
        )
    if knobs.requests_field and verdict.most_requests and verdict.most_requests < verdict.requests:
        requests = verdict.most_requests
        phrase = f"{requests} requests at once instead of {verdict.requests} ({knobs.requests_field}: {requests})"
        yield {knobs.requests_field: requests}, phrase, knobs.with_requests(engine, requests)
    for kind in _smaller_caches(engine, model):
        if kind == "fp8" and machine.gpu is not None and not machine.gpu.fp8:
            continue
        cache: dict[str, str | int] = {str(knobs.cache_field): kind}
        yield cache, f"a smaller cache ({knobs.cache_field}: {kind})", engine.model_copy(update=cache)
    for key, bits in _other_weights(engine, model):
        yield {"weights": key}, f"{bits} weights (weights: {key})", engine.model_copy(update={"weights": key})


def _smaller_caches(engine: EngineBase, model: Model) -> list[str]:
    """Kinds of cache that take less than the engine's, the largest first: the least loss of quality."""
    knobs = knobs_of(engine)
    if not knobs.cache_field or not knobs.cache_kinds:
        return []
    now = engine.footprint(model).kv_cache_mib
    sizes: dict[str, int] = {}
    for kind in knobs.cache_kinds:
        try:
            sizes[kind] = engine.model_copy(update={knobs.cache_field: kind}).footprint(model).kv_cache_mib
        except (ValueError, KeyError):
            continue
    return [kind for kind in sorted(sizes, key=lambda k: -sizes[k]) if sizes[kind] < now]


def _other_weights(engine: EngineBase, model: Model) -> list[tuple[str, str]]:
    """Smaller forms of the same model that the engine serves on the same device, largest first, with their bits."""
    now, device = engine.weights_of(model)[1].size_bytes, "cuda" if engine.gpus else "cpu"
    found = [
        (weights.size_bytes, key)
        for key, weights in model.weights.items()
        if weights.format in engine.formats and weights.device in (None, device) and weights.size_bytes < now
    ]
    return [(key, _bits(size, model)) for size, key in sorted(found, reverse=True)]


def _bits(size_bytes: int, model: Model) -> str:
    exact = size_bytes * 8 / model.parameters
    return "4-bit" if exact < 7 else "8-bit" if exact < 12 else "16-bit"


def _sizes(engine: EngineBase, model: Model, machine: Machine) -> Iterator[tuple[str, str, Answer]]:
    known = hardware()
    if machine.name not in known.vm_sizes:
        return
    fitting = [name for name in vm_sizes(engine, model, known) if name != machine.name]
    # The cheapest, and the smallest: of many sizes no price is known that two sources agree on.
    smallest = sorted(fitting, key=lambda name: _gpu_memory(known, name))[:1]
    for name in dict.fromkeys([*fitting[:1], *smallest]):
        size = known.vm_sizes[name]
        price = f", about {size.usd_per_hour:.2f} USD an hour" if size.usd_per_hour else ""
        what = f"{size.gpus} x {size.gpu}" if size.gpu else f"{size.memory_gib} GiB"
        node = for_pod(of_vm_size(name, size, known), engine)
        yield name, f"vm_size: {name} ({what}{price})", _answer(engine, model, node)


def _gpu_memory(known: Hardware, name: str) -> tuple[int, int]:
    size = known.vm_sizes[name]
    return (known.gpus[size.gpu].usable_mib * size.gpus if size.gpu else 0, size.memory_gib)


def _on_cpu(engine: EngineBase) -> EngineBase:
    return engine.model_copy(update={"gpus": 0})


def _thousands(tokens: int) -> str:
    return f"{tokens // 1024}k" if tokens % 1024 == 0 else str(tokens)


def _article(name: str) -> str:
    return name if name.startswith(("Standard_", "this ", "ssh:")) else f"{'an' if name[0] in 'AEIOL' else 'a'} {name}"


def parts_text(need: Footprint) -> str:
    """The parts of a need in words, in GiB."""
    gib = (
        f"{need.weights_mib / 1024:.1f} weights + {need.kv_cache_mib / 1024:.1f} cache + {need.overhead_mib / 1024:.1f}"
    )
    return f"{gib} for the engine itself"
