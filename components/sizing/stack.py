"""A whole stack: every engine on its target, and the sentences that check, preview and up say about them (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from components.engines.base import EngineBase
from components.gateway import Gateway
from components.models import Model
from components.sizing.advice import parts_text, summary
from components.sizing.auto import resolved
from components.sizing.machine import candidates
from components.sizing.verdict import Answer, Part, Verdict, judge
from components.targets.spec import Aks, Docker, TargetSpec
from components.webui import WebUi
from components.workload import Value

WORDS = {"vram": "GPU memory", "ram": "main memory", "disk": "disk"}
PREFERENCE: tuple[Answer, ...] = ("fit", "tight", "unknown", "misfit")


class Described(Protocol):
    """What sizing needs of a stack's settings."""

    @property
    def hosted(self) -> Mapping[str, EngineBase]: ...

    @property
    def targets(self) -> Mapping[str, TargetSpec]: ...

    @property
    def gateway(self) -> Gateway: ...

    @property
    def webui(self) -> WebUi | None: ...

    def model_of(self, engine: str) -> Model: ...


class Sized(Value):
    """One engine of a stack with its verdict, and what would help as one line (empty when nothing has to)."""

    engine: str
    kind: str
    model: str
    verdict: Verdict
    help: str = ""

    @property
    def sentence(self) -> str:
        """What is wrong with it and what helps: "what — fix"."""
        verdict = self.verdict
        short = [_short(part) for part in verdict.parts if part.answer in ("misfit", "tight")]
        facts = "; ".join([*short, *(reason for reason in verdict.reasons)])
        what = f"engine '{self.engine}' ({self.kind}, {self.model}) on {verdict.machine}: {facts}"
        if any(part.answer in ("misfit", "tight") and part.resource != "disk" for part in verdict.parts):
            what += f" ({parts_text(verdict.footprint)}, in GiB)"
        return f"{what} — {self.help}" if self.help else what


def size(settings: Described) -> tuple[Sized, ...]:
    """Every engine the stack runs itself. Raises ValueError when a model has no weights for its engine."""
    targets = {name: resolved(settings, name) for name in settings.targets}
    return tuple(_one(settings, name, targets[engine.target]) for name, engine in settings.hosted.items())


def misfits(settings: Described) -> list[str]:
    """One sentence for each engine that cannot fit."""
    return [sized.sentence for sized in size(settings) if sized.verdict.answer == "misfit"]


def cautions(settings: Described) -> list[str]:
    """One sentence for each engine that fits tightly, or whose machine is not known well enough to say."""
    said = []
    for sized in size(settings):
        if sized.verdict.answer == "tight" or (sized.verdict.answer == "unknown" and sized.verdict.reasons):
            said.append(sized.sentence)
    return said


def _one(settings: Described, name: str, target: TargetSpec) -> Sized:
    engine, model = settings.hosted[name], settings.model_of(name)
    taken = _taken(settings, name) if not isinstance(target, Aks) else 0
    machines = candidates(target, engine)
    if isinstance(target, Docker):
        # A container that asks Docker for one GPU gets the first one, and so does the next container.
        held = sum(
            other.footprint(settings.model_of(key)).device_mib for key, other in _others(settings, name, gpu=True)
        )
        machines = tuple(machine.model_copy(update={"taken_vram_mib": held}) for machine in machines)
    judged = [(judge(engine, model, machine, taken), machine) for machine in machines]
    verdict, machine = min(judged, key=lambda pair: PREFERENCE.index(pair[0].answer))
    helped = summary(engine, model, machine, verdict, taken) if verdict.answer in ("misfit", "tight") else ""
    return Sized(engine=name, kind=str(getattr(engine, "kind", "")), model=model.name, verdict=verdict, help=helped)


def _taken(settings: Described, name: str) -> int:
    """Main memory that the other engines of the same host take, in MiB. Nodes of AKS are one engine's each."""
    return sum(other.footprint(settings.model_of(key)).host_mib for key, other in _others(settings, name))


def _others(settings: Described, name: str, gpu: bool = False) -> list[tuple[str, EngineBase]]:
    """The other engines of the same target, with their names; only those on a GPU with `gpu`."""
    target = settings.hosted[name].target
    return [
        (key, other)
        for key, other in settings.hosted.items()
        if key != name and other.target == target and (other.gpus or not gpu)
    ]


def _short(part: Part) -> str:
    need, there = part.needed_mib / 1024, (part.available_mib or 0) / 1024
    if part.answer == "misfit":
        return f"needs {need:.1f} GiB of {WORDS[part.resource]}, and there are {there:.1f}"
    return f"needs {need:.1f} of {there:.1f} GiB of {WORDS[part.resource]}, which is tight"
