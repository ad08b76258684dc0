"""What no part of a description can check alone: names that refer to each other, and whether the parts fit together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import ValidationError

from components import watchdog
from components.catalog import catalog
from components.engines.base import EngineBase
from components.monitoring.parts import reserved_names
from components.settings.clusters import clusters, watched
from components.settings.image_rules import SOME_IMAGE, image_problem
from components.settings.problems import Problem, path_of, unknown

if TYPE_CHECKING:
    from components.settings.model import Settings


def cross_references(settings: Settings) -> list[Problem]:
    """Every disagreement between the parts of `settings`."""
    found = [*_targets(settings), *_engines(settings), *_served_names(settings), *_images(settings)]
    found = found or list(clusters(settings))
    # Which models can chat is known only once engines and models fit together.
    return found or [*_webui(settings), *_monitoring(settings)]


def _targets(settings: Settings) -> Iterator[Problem]:
    hosts: dict[str, str] = {}
    for name, spec in settings.targets.items():
        host = getattr(spec, "host", None)
        if host and (first := hosts.setdefault(host, name)) != name:
            path = path_of(("targets", name, "host"))
            yield Problem(path, f"host is listed twice, also as target '{first}'", "use one target for one host")
    if settings.gateway.target not in settings.targets:
        problem, fix = unknown("target", settings.gateway.target, settings.targets)
        yield Problem(path_of(("gateway", "target")), problem, fix)


def _engines(settings: Settings) -> Iterator[Problem]:
    for name, engine in settings.engines.items():
        here = ("engines", name)
        target = settings.targets.get(engine.target)
        if target is None:
            yield Problem(path_of((*here, "target")), *unknown("target", engine.target, settings.targets))
        elif isinstance(engine, EngineBase) and engine.gpus > target.gpus:
            has = f"has {target.gpus}" if target.gpus else "has no GPU"
            fix = f"set gpus of the target, or gpus: {target.gpus} here"
            yield Problem(path_of((*here, "gpus")), f"wants {engine.gpus}, and target '{engine.target}' {has}", fix)
        if name == watchdog.NAME:
            yield Problem(path_of(here), "what starts engines again is called so already", "choose another name")
        if not isinstance(engine, EngineBase):
            continue
        for field, control, harm in engine.deviations:
            if not any(e.control == control and e.resource == name for e in settings.security.exceptions):
                fix = f"remove it, or add to security.exceptions: control {control}, resource {name}, reason, expires"
                yield Problem(path_of((*here, field)), harm, fix)
        model = settings.models.get(engine.model)
        if model is None:
            yield Problem(path_of((*here, "model")), *unknown("model", engine.model, settings.models))
            continue
        try:
            engine.workload(name, model, defaultdict(lambda: SOME_IMAGE))
        except ValidationError as error:
            reasons = "; ".join(detail["msg"].removeprefix("Value error, ") for detail in error.errors())
            yield Problem(path_of(here), reasons, "change the engine's settings")
        except ValueError as error:
            yield Problem(path_of(here), *_split(str(error)))
    different = {engine.target for engine in settings.engines.values()} - {settings.gateway.target}
    if settings.gateway.target in settings.targets and (apart := sorted(different & settings.targets.keys())):
        there = settings.gateway.target
        harm = f"the gateway on '{there}' cannot reach engines on '{apart[0]}': engines are not published"
        yield Problem(path_of(("gateway", "target")), harm, "put them on one target, and another stack on the other")


def _served_names(settings: Settings) -> Iterator[Problem]:
    served: dict[str, str] = {}
    for name, engine in settings.engines.items():
        for model in (engine.served_name, *getattr(engine, "variants", ())):
            if (first := served.setdefault(model, name)) != name:
                harm = f"model '{model}' is already served by engine '{first}': the gateway routes by model"
                fix = "set served_model_name to another name, choose another model, or remove one engine"
                yield Problem(path_of(("engines", name, "model")), harm, fix)


def _webui(settings: Settings) -> Iterator[Problem]:
    webui, here = settings.webui, "webui"
    if webui is None:
        return
    if webui.target not in settings.targets:
        yield Problem(path_of((here, "target")), *unknown("target", webui.target, settings.targets))
    elif webui.target != settings.gateway.target:
        harm = f"no backend: it asks the gateway by name, and that is on target '{settings.gateway.target}'"
        yield Problem(path_of((here, "target")), harm, f"set target: {settings.gateway.target}")
    if here in settings.engines:
        yield Problem(path_of(("engines", here)), "the web page is called so already", "choose another name")
    if (webui.bind, webui.port) == (settings.gateway.bind, settings.gateway.port):
        yield Problem(path_of((here, "port")), f"{webui.port} is the gateway's port already", "choose another port")
    if not (models := settings.chat_models()):
        harm = "no backend: no engine serves a model that can hold a conversation"
        yield Problem(path_of((here,)), harm, "add an engine with an instruct model, or remove webui")
    elif webui.model and webui.model not in models:
        yield Problem(path_of((here, "model")), *unknown("served model", webui.model, models))


def _monitoring(settings: Settings) -> Iterator[Problem]:
    own, here = settings.monitoring, "monitoring"
    if own is None:
        return
    if own.target not in settings.targets:
        yield Problem(path_of((here, "target")), *unknown("target", own.target, settings.targets))
        return
    if own.target != settings.gateway.target:
        harm = f"it asks engines and gateway by name, and they are on target '{settings.gateway.target}'"
        yield Problem(path_of((here, "target")), harm, f"set target: {settings.gateway.target}")
    else:
        yield from watched(settings, own)
    for name in reserved_names() & settings.engines.keys():
        yield Problem(path_of(("engines", name)), "a part of monitoring is called so already", "choose another name")
    if own.grafana:
        taken = {"gateway": (settings.gateway.bind, settings.gateway.port)}
        taken |= {"webui": (settings.webui.bind, settings.webui.port)} if settings.webui else {}
        for part, address in taken.items():
            if address == (own.grafana.bind, own.grafana.port):
                harm = f"{own.grafana.port} is the port of {part} already"
                yield Problem(path_of((here, "grafana", "port")), harm, "choose another port")


def _images(settings: Settings) -> Iterator[Problem]:
    rows = catalog().images
    for role, image in settings.images.items():
        path = path_of(("images", role))
        if role not in rows:
            yield Problem(path, *unknown("image role", role, rows))
        elif image != rows[role].pinned and (found := image_problem(role, image, settings.security.allow_registries)):
            yield Problem(path, *found)


def _split(text: str) -> tuple[str, str]:
    what, _, fix = text.partition(" — ")
    return what, fix
