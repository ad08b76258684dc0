"""Settings: everything a stack file may say, as frozen classes. A default is in the class it belongs to, once."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, ValidationInfo, field_validator, model_validator

from components.catalog import catalog
from components.engines import Engine
from components.gateway import Gateway
from components.models import Model, ModelName, Site
from components.settings.cross_references import cross_references
from components.settings.image_rules import reference_problem
from components.settings.kinds import named_kind
from components.settings.problems import CrossReferenceError, Problem, SettingsError
from components.settings.schema_walk import standard
from components.targets.spec import TargetSpec
from components.workload import Image, Name, Value

SCHEMA_VERSION = 1
"""Version of the description's form; raised when an older file would mean something else."""

PLANNED_ENGINES = ("vllm", "onnx", "llamacpp")
"""Kinds of engine that are known words and not built yet."""

LAST_CONTROL = 72
"""Controls are numbered 1 to this in docs/security.md."""

Registry = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$")]


def _day(value: Any) -> Any:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("not a date — write it as 2026-12-31") from None


Day = Annotated[date, BeforeValidator(_day)]


class SecurityException(Value):
    """A control that does not hold for one resource, why, and until when. An expired one is an error."""

    control: int = Field(ge=1, le=LAST_CONTROL)
    resource: str = Field(min_length=1, max_length=200)
    reason: str = Field(min_length=10, max_length=500)
    expires: Day

    @field_validator("expires")
    @classmethod
    def _lasts(cls, expires: date, info: ValidationInfo) -> date:
        today = (info.context or {}).get("today") or date.today()
        if expires < today:
            which = f"exception for control {info.data.get('control')} on '{info.data.get('resource')}'"
            raise ValueError(f"{which} expired {expires} — remove it and meet the control, or decide a new date")
        return expires


class Security(Value):
    """What deviates from the hardened default, written down: exceptions, and the registries images may come from."""

    exceptions: tuple[SecurityException, ...] = ()
    allow_registries: tuple[Registry, ...] = ("docker.io",)


def _at_least_one(value: Any) -> Any:
    if not value and not isinstance(value, bool | int | float):
        raise ValueError("at least one engine is required — add one: a name with kind, target and model")
    return value


def _reference(value: Any) -> Any:
    if problem := reference_problem(value):
        raise ValueError(" — ".join(problem))
    return value


ImageEntry = Annotated[Image, BeforeValidator(_reference)]
EngineEntry = Annotated[Engine, BeforeValidator(named_kind("engine", Engine, PLANNED_ENGINES))]
TargetEntry = Annotated[TargetSpec, BeforeValidator(named_kind("target", TargetSpec))]


class Settings(Value):
    """A stack's description, checked as a whole. Make one with `load`.

    `environment` prod (the cloud, and edge sites) refuses what is not pinned. `models` are the catalogue's with the
    stack's own laid over them; `images` the image of each role as far as known: recorded by `up` on this machine, set
    by the stack, or pinned in the catalogue. `served` records which source each model's weights came from, `site`
    what this site's way to the outside needs. `model`, when set, has replaced the first engine's model.
    """

    version: int = Field(SCHEMA_VERSION, ge=1)
    environment: Literal["dev", "prod"] = "dev"
    targets: dict[Name, TargetEntry] = Field(min_length=1)
    engines: Annotated[dict[Name, EngineEntry], BeforeValidator(_at_least_one)]
    gateway: Gateway
    models: dict[ModelName, Model] = Field(default_factory=lambda: dict(catalog().models))
    images: dict[Name, ImageEntry] = Field(default_factory=dict)
    security: Security = Security()
    site: Site = Site()
    served: dict[ModelName, str] = Field(default_factory=dict)
    model: ModelName | None = None

    @field_validator("version")
    @classmethod
    def _is_understood(cls, version: int) -> int:
        if version > SCHEMA_VERSION:
            raise ValueError(f"schema {version} is newer than this tool ({SCHEMA_VERSION}) — update the checkout")
        return version

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if problems := cross_references(self):
            raise CrossReferenceError(problems)
        return self

    def model_of(self, engine: str) -> Model:
        """The model an engine serves. Raises KeyError for a name that is no engine."""
        return self.models[self.engines[engine].model]

    def unsupported(self) -> list[str]:
        """One sentence for each part of a valid description that this version cannot deploy."""
        used = {engine.target for engine in self.engines.values()} | {self.gateway.target}
        return [
            f"target '{name}' ({spec.where}): {reason} — use a docker target on this machine"
            for name, spec in self.targets.items()
            if name in used and (reason := spec.undeployable)
        ]

    def unpinned(self) -> list[str]:
        """One sentence for each image or model that could be another one tomorrow."""
        rows = catalog().images
        images = [
            f"image '{role}' ({row.repository}:{row.tag}) has no digest"
            for role, row in rows.items()
            if row.published and role not in self.images
        ]
        models = [self.models[name] for name in sorted({engine.model for engine in self.engines.values()})]
        return images + [reason.removesuffix(" (fix: make pin)") for m in models for reason in m.unpinned_reasons()]

    def refusals(self, stack: str) -> list[str]:
        """Why this description must not be deployed: `unsupported`, and in production whatever is not pinned."""
        loose = self.unpinned() if self.environment == "prod" else []
        return self.unsupported() + [f"{reason}: refused in production — make pin STACK={stack}" for reason in loose]

    def unprepared(self) -> list[str]:
        """Roles whose image is neither recorded on this machine nor pinned, so that nothing can be started from it."""
        return [role for role in catalog().images if role not in self.images]

    def require_deployable(self, stack: str) -> None:
        """Raise SettingsError when `refusals` has any."""
        if refusals := self.refusals(stack):
            raise SettingsError(f"stack '{stack}'", [_as_problem(text) for text in refusals])


def _as_problem(sentence: str) -> Problem:
    what, _, fix = sentence.partition(" — ")
    return Problem("not deployable", what, fix)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of Settings."""
    schema: dict[str, Any] = standard(Settings.model_json_schema())
    return schema
