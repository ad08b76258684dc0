"""Settings: everything a stack file may say, as frozen classes. A default is in the class it belongs to, once."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, field_validator, model_validator

from components.catalog import catalog
from components.engines import Engine, External, HostedEngine
from components.engines.base import EngineBase
from components.gateway import Gateway
from components.gateway.keys import DatedKey
from components.models import Model, ModelName, Site
from components.monitoring.roles import optional_roles, required_roles
from components.monitoring.settings import Monitoring
from components.settings.adoption import Adoption
from components.settings.clusters import foreign_images
from components.settings.cross_references import cross_references
from components.settings.fleet import Fleet
from components.settings.image_rules import SOME_IMAGE, reference_problem
from components.settings.kinds import named_kind
from components.settings.permissions import Allowance, Security
from components.settings.problems import CrossReferenceError, Problem, SettingsError
from components.settings.review import Review
from components.settings.schema_walk import standard
from components.sizing import misfits
from components.targets.spec import Aks, Docker, TargetSpec
from components.targets.spec.aks_production import production_problems
from components.webui import WebUi
from components.workload import Image, Name, Value, Volume, Workload

SCHEMA_VERSION = 1
"""Version of the description's form; raised when an older file would mean something else."""

PLANNED_ENGINES: tuple[str, ...] = ()
"""Kinds of engine that are known words and not built yet."""

CHAT = "/v1/chat/completions"


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


VmSize = Annotated[str, StringConstraints(pattern=r"^Standard_[A-Za-z0-9_]+(/spot)?$")]
"""An Azure VM size; `SIZE/spot` is the same on spot nodes."""


class Settings(Value):
    """A stack's description, checked as a whole. Make one with `load`.

    `environment` prod (the cloud, and edge sites) refuses what is not pinned. `models` are the catalogue's with the
    stack's own laid over them; `images` the image of each role as far as known: recorded by `up` on this machine, set
    by the stack, or pinned in the catalogue. `served` records which source each model's weights came from, `site`
    what this site's way to the outside needs, `left_out` the optional parts (by the role of their
    image) that this machine could not get, `keys_made` when each API key was made. `model`, when set, has replaced the
    first engine's model. `prices`, in US dollars an hour of one node, go before those of the catalogue. `fleet` lists
    hosts that get all this, each as a stack of its own, whose settings have no fleet. `review` marks a stack that
    exists for one pull request, and says when it is removed. `allow_replace` names what a change may replace or delete
    although it is protected, `adopt` what is taken over instead of made.
    In production `make down` takes a backup that is at most `backup_max_age_hours` old.
    """

    version: int = Field(SCHEMA_VERSION, ge=1)
    environment: Literal["dev", "prod"] = "dev"
    targets: dict[Name, TargetEntry] = Field(min_length=1)
    engines: Annotated[dict[Name, EngineEntry], BeforeValidator(_at_least_one)]
    gateway: Gateway
    webui: WebUi | None = None
    monitoring: Monitoring | None = None
    models: dict[ModelName, Model] = Field(default_factory=lambda: dict(catalog().models))
    images: dict[Name, ImageEntry] = Field(default_factory=dict)
    security: Security = Security()
    prices: dict[VmSize, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    site: Site = Site()
    served: dict[ModelName, str] = Field(default_factory=dict)
    left_out: tuple[Name, ...] = ()
    keys_made: tuple[DatedKey, ...] = ()
    model: ModelName | None = None
    fleet: Fleet | None = None
    review: Review | None = None
    allow_replace: tuple[Allowance, ...] = ()
    adopt: tuple[Adoption, ...] = ()
    backup_max_age_hours: int = Field(24, ge=1, le=24 * 31)

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
        """The model a hosted engine serves. Raises KeyError for a name that is none of `hosted`."""
        return self.models[self.hosted[engine].model]

    @property
    def hosted(self) -> dict[str, HostedEngine]:
        """The engines this stack runs itself; an external one has no container, no weights and no memory here."""
        return {name: engine for name, engine in self.engines.items() if isinstance(engine, EngineBase)}

    def workload_of(self, engine: str) -> Workload:
        """What a hosted engine is made of. Raises KeyError for a name that is none of `hosted`."""
        return self.hosted[engine].workload(engine, self.model_of(engine), self.images, self.site)

    def volumes(self) -> list[Volume]:
        """Every volume the engines need, each once; images that are not known yet do not matter for them."""
        images = {role: self.images.get(role, SOME_IMAGE) for role in self.roles()}
        known = self.model_copy(update={"images": images})
        return list({v.name: v for name in self.hosted for v in known.workload_of(name).filled_volumes}.values())

    def roles(self) -> list[str]:
        """The roles of the images this stack needs, sorted."""
        engines = {role for name, engine in self.hosted.items() for role in engine.roles(self.model_of(name))}
        return sorted(engines | {self.gateway.kind} | ({"webui"} if self.webui else set()) | required_roles(self))

    def optional_roles(self) -> list[str]:
        """The roles of images that the stack does without, and says so, where no registry offers them; sorted."""
        return sorted(optional_roles(self))

    def has_image(self, role: str) -> bool:
        """Whether a part of this role can be started: its image is known, and was not found missing."""
        return role in self.images and role not in self.left_out

    @property
    def monitored_gpus(self) -> int:
        """GPUs of the machine that monitoring is on, where it runs on one."""
        target = self.targets[self.monitoring.target] if self.monitoring else None
        return target.gpus if isinstance(target, Docker) else 0

    @property
    def measured_gpus(self) -> int:
        """GPUs of the machines that monitoring is on."""
        return self.targets[self.monitoring.target].gpus if self.monitoring else 0

    def chat_models(self) -> list[str]:
        """The names under which models that can hold a conversation are served, in the order of the engines."""
        named = [(name, engine) for name, engine in self.engines.items() if ("POST", CHAT) in engine.paths]
        talking = [(n, e) for n, e in named if n not in self.hosted or "chat" in self.model_of(n).capabilities]
        own = {n: e.served_models(self.model_of(n)) for n, e in self.hosted.items()}
        return [served for n, e in talking for served in own.get(n, (e.served_name,))]

    def secret_names(self) -> list[str]:
        """Names of the secrets that a person gives: tokens of hubs, keys of external engines, certificates."""
        jobs = [job for volume in self.volumes() for job in volume.fill]
        named = [secret.secret for job in jobs for secret in job.secrets]
        named += [e.key_secret for e in self.engines.values() if isinstance(e, External) and e.key_secret]
        for tls in (self.gateway.tls, self.webui.tls if self.webui else None):
            named += [tls.certificate, tls.key] if tls else []
        named += self.monitoring.secret_names if self.monitoring else []
        return list(dict.fromkeys(named))

    def unpinned(self) -> list[str]:
        """One sentence for each image or model that could be another one tomorrow."""
        rows, needed = catalog().images, {*self.roles(), *self.optional_roles()}
        images = [
            f"image '{role}' ({row.repository}:{row.tag}) has no digest"
            for role, row in rows.items()
            if role in needed and row.published and role not in self.images
        ]
        served = [(self.model_of(name), engine) for name, engine in self.hosted.items()]
        reasons = [reason for m, engine in served for reason in m.unpinned_reasons([engine.weights_of(m)[0]])]
        return images + [reason.removesuffix(" (fix: make pin)") for reason in dict.fromkeys(reasons)]

    def refusals(self, stack: str) -> list[str]:
        """Why this must not be deployed: images no cluster can pull, what cannot fit, what production refuses."""
        if self.fleet:
            first, count = next(iter(self.fleet.hosts)), len(self.fleet.hosts)
            fix = f"make up STACK={stack} deploys to all, STACK={stack}.{first} to one"
            return [f"it describes a fleet of {count} hosts, each of which is a stack of its own — {fix}"]
        refused = [*foreign_images(self), *misfits(self)]
        if self.environment == "prod":
            refused += [f"{reason}: refused in production — make pin STACK={stack}" for reason in self.unpinned()]
            clusters = {name: spec for name, spec in self.targets.items() if isinstance(spec, Aks)}
            refused += [f"target '{n}': {problem}" for n, s in clusters.items() for problem in production_problems(s)]
        return refused

    def unprepared(self) -> list[str]:
        """Roles whose image is neither recorded on this machine nor pinned, so that nothing can be started from it."""
        return [role for role in self.roles() if role not in self.images]

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
