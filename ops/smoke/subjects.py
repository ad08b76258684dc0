"""What is checked: each model name that clients may use, with what is known about the model and its engine."""

from __future__ import annotations

from dataclasses import dataclass

from components.engines.base import Capability
from components.models import Skill
from components.settings import Settings

CONTEXT_FIELDS = ("context_length", "max_model_len", "context")
"""What engines call the longest context they serve, in tokens."""


@dataclass(frozen=True)
class Subject:
    """A model as clients see it.

    `skills` are what the model was trained for, `parameters` its size, `context` the tokens its engine serves at
    once; `parameters` and `context` are None where nobody here knows. `capabilities` are what the engine's API can do.
    """

    engine: str
    kind: str
    model: str
    skills: frozenset[Skill]
    parameters: int | None
    context: int | None
    capabilities: frozenset[Capability]

    def at_least(self, parameters: float) -> bool:
        """Whether the model is known to be that large."""
        return self.parameters is not None and self.parameters >= parameters


def subjects(settings: Settings) -> list[Subject]:
    """Every model of the stack, in the order of its engines."""
    found = []
    for name, engine in settings.engines.items():
        model = settings.model_of(name) if name in settings.hosted else None
        lengths = [length for field in CONTEXT_FIELDS if (length := getattr(engine, field, None))]
        for served in engine.served_models(model) if model else (engine.served_name,):
            found.append(
                Subject(
                    engine=name,
                    kind=engine.kind,
                    model=served,
                    skills=frozenset(model.capabilities if model else getattr(engine, "skills", ("chat",))),
                    parameters=model.parameters if model else None,
                    context=lengths[0] if lengths else (model.context_length if model else None),
                    capabilities=frozenset(engine.capabilities),
                )
            )
    return found
