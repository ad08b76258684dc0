"""Read a stack's description: the committed file, what this machine recorded laid over it, then checked as a whole."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from components.catalog import catalog, merge, rows
from components.catalog.place import directory
from components.settings import fleet_pages
from components.settings.bundled import with_bundle
from components.settings.fleet import Fleet, applied
from components.settings.image_rules import still_meant
from components.settings.model import Settings, json_schema
from components.settings.problems import Problem, SettingsError, did_you_mean, from_validation, unknown
from components.settings.scan import scan
from components.settings.share import taken_port
from components.settings.stack_file import DESCRIPTION, description_of, file_of, host_of, read_document
from components.workload import Value

PREFIX = "slm:"
SECRETS = ("apiKeys", "webuiSecrets", "monitoringSecrets")
"""Keys whose value is always encrypted, and never part of Settings."""

FILE_KEYS = ("config", "secretsprovider", "encryptionsalt", "encryptedkey")
TEXT_KEYS = ("model", "environment")
"""Keys whose value is a plain text; Pulumi passes every other one as JSON."""


def load(
    stack: str, project_dir: Path, overlay: Mapping[str, Any] | None = None, *, today: date | None = None
) -> Settings:
    """The checked settings of a stack.

    `overlay` has keys like the file's `config` (`slm:images`, …) and is merged over it. `today` decides whether an
    exception has expired. A stack `edge.berlin-1` is the host `berlin-1` of the fleet that Pulumi.edge.yaml describes.
    Raises SettingsError listing every problem.
    """
    file = file_of(stack, project_dir)
    document = read_document(description_of(stack, project_dir))
    own = {key: value for key, value in (overlay or {}).items() if key.startswith(PREFIX)}
    problems = [*_outline(document), *scan(document.get("config") or {}), *scan(own)]
    if problems:
        raise SettingsError(file, problems)
    config = _without_secrets(document["config"])
    described, share = _section(config), None
    if host := host_of(stack):
        fleet = _with_host(described, host, file)
        described = fleet_pages.with_page(applied(described, fleet, host), fleet.host(host))
        share = fleet.share
        file = f"{file} (host {host})"
    merged = merge(described, _chosen(_section(_without_secrets(own)), described))
    try:
        # Strict: `parallel: true` is not 1, and `port: "8080"` is not a number.
        settings = Settings.model_validate(
            _with_tuples(_resolved(merged, file)), strict=True, context={"today": today or date.today()}
        )
    except ValidationError as error:
        raise SettingsError(file, from_validation(error, merged, _schema())) from None
    if share and (problems := list(taken_port(share, settings))):
        raise SettingsError(file, problems)
    if settings.environment == "prod" and not document.get("secretsprovider"):
        harm = "prod without a secrets provider: nothing says what protects its keys"
        fix = "add secretsprovider: azurekeyvault://…, or secretsprovider: passphrase when you keep a strong one"
        raise SettingsError(file, [Problem("secretsprovider", harm, fix)])
    return with_bundle(settings, project_dir)


def load_overlay(path: Path) -> dict[str, Any]:
    """This machine's choices for a stack, from the configuration file Pulumi writes; encrypted values are left out.

    A file that does not exist has no choices. Raises SettingsError for one that cannot be read.
    """
    if not path.exists():
        return {}
    config = read_document(path).get("config") or {}
    if not isinstance(config, Mapping):
        raise SettingsError(
            path.name, [Problem("config", "expected mapping", f"move {path.name} away and run make up")]
        )
    return {key: value for key, value in _without_secrets(config).items() if key.startswith(PREFIX)}


def from_pulumi_config(stack: str, project_dir: Path, raw: Mapping[str, str], secret_keys: Collection[str]) -> Settings:
    """The settings inside a Pulumi program: `raw` is Pulumi's own configuration map, in which objects are JSON texts.

    Keys in `secret_keys` are not looked at. Raises SettingsError.
    """
    overlay: dict[str, Any] = {}
    problems = []
    for key, text in raw.items():
        if not key.startswith(PREFIX) or key in secret_keys:
            continue
        name = key.removeprefix(PREFIX)
        try:
            overlay[key] = text if name in TEXT_KEYS else json.loads(text, object_pairs_hook=_no_duplicates)
        except ValueError:
            fix = f"pulumi config rm {key}, then set one field: pulumi config set --path {key}.FIELD VALUE"
            problems.append(Problem(key, "the value in Pulumi's configuration is no JSON object", fix))
    if problems:
        raise SettingsError(file_of(stack, project_dir), problems)
    return load(stack, project_dir, overlay)


def load_fleet(stack: str, project_dir: Path) -> Fleet | None:
    """The fleet that a stack's file describes; None for a file without one. Raises SettingsError."""
    file = file_of(stack, project_dir)
    config = read_document(project_dir / file).get("config")
    described = _section(config) if isinstance(config, Mapping) else {}
    return _fleet(described, file) if "fleet" in described else None


class _WithFleet(Value):
    fleet: Fleet


def _fleet(described: Mapping[str, Any], file: str) -> Fleet:
    raw = {"fleet": described["fleet"]}
    try:
        return _WithFleet.model_validate(_with_tuples(raw), strict=True).fleet
    except ValidationError as error:
        raise SettingsError(file, from_validation(error, raw, _schema())) from None


def _with_host(described: Mapping[str, Any], host: str, file: str) -> Fleet:
    """The fleet that has this host. Raises SettingsError."""
    if "fleet" not in described:
        fix = "name the stack without it, or describe hosts in slm:fleet"
        raise SettingsError(file, [Problem("stack", f"it has no fleet, so there is no host '{host}'", fix)])
    fleet = _fleet(described, file)
    if host not in fleet.hosts:
        raise SettingsError(file, [Problem("stack", *unknown("host", host, fleet.hosts))])
    if found := list(fleet_pages.problems(described, fleet)):
        raise SettingsError(file, found)
    return fleet


def _outline(document: Mapping[str, Any]) -> list[Problem]:
    """Problems of the file around the settings: its top-level keys and the namespaces of its configuration."""
    problems = [
        Problem(key, f"unknown field '{key}'{did_you_mean(key, FILE_KEYS)}", f"known here: {', '.join(FILE_KEYS)}")
        for key in document
        if key not in FILE_KEYS
    ]
    config = document.get("config")
    if not isinstance(config, Mapping) or not config:
        return [*problems, Problem("config", "there are no settings", "write slm:engines and others under 'config:'")]
    for key, value in config.items():
        namespace, colon, name = key.partition(":")
        if not colon:
            problems.append(Problem(key, "a key without its namespace is not ours", f"write {PREFIX}{key}"))
        elif namespace not in ("slm", "pulumi"):
            harm = f"'{namespace}' is not read: default providers are disabled, so their settings have no effect"
            problems.append(Problem(key, harm, f"remove it, or write {PREFIX}{name}"))
        elif name in SECRETS and not _is_secure(value):
            fix = "remove it from the file and its history, then make rotate-key"
            problems.append(Problem(key, "a secret in plain text would be committed", fix))
    return problems


@cache
def _schema() -> dict[str, Any]:
    return json_schema()


@cache
def _known_models(folder: Path) -> dict[str, Any]:
    return rows(folder)["models"]


def _section(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key.removeprefix(PREFIX): value for key, value in config.items() if key.startswith(PREFIX)}


def _chosen(own: dict[str, Any], described: Mapping[str, Any]) -> dict[str, Any]:
    """This machine's choices, without images of an older description; a roll back goes to just these.

    Only `make up` on a Docker engine records images by itself: for a cluster, somebody has named them.
    """
    recorded, named = own.get("images"), described.get("images") or {}
    if os.environ.get(DESCRIPTION) or not isinstance(recorded, Mapping) or not isinstance(named, Mapping):
        return own
    if not (_on_docker(described) and _on_docker(own)):
        return own
    return {**own, "images": still_meant(recorded, {**_pinned_images(), **named})}


def _on_docker(section: Mapping[str, Any]) -> bool:
    targets = section.get("targets")
    found = targets.values() if isinstance(targets, Mapping) else ()
    return all(one.get("kind") == "docker" for one in found if isinstance(one, Mapping))


def _pinned_images() -> dict[str, str]:
    return {role: row.pinned for role, row in catalog().images.items() if row.pinned}


def _resolved(merged: dict[str, Any], file: str) -> dict[str, Any]:
    """The description with the catalogue under it and the chosen model in its first engine."""
    resolved = dict(merged)
    models = resolved.get("models", {})
    if isinstance(models, Mapping):
        named = {name: {"name": name, **own} if isinstance(own, Mapping) else own for name, own in models.items()}
        resolved["models"] = merge(_known_models(directory()), named)
    images = resolved.get("images", {})
    if isinstance(images, Mapping):
        resolved["images"] = {**_pinned_images(), **images}
    chosen, engines = resolved.get("model"), resolved.get("engines")
    if isinstance(chosen, str) and isinstance(engines, Mapping) and engines:
        if chosen not in resolved["models"]:
            raise SettingsError(file, [Problem(f"{PREFIX}model", *unknown("model", chosen, resolved["models"]))])
        first = next(iter(engines))
        resolved["engines"] = (
            merge(engines, {first: {"model": chosen}}) if isinstance(engines[first], dict) else engines
        )
    return resolved


def _is_secure(value: object) -> bool:
    return isinstance(value, Mapping) and set(value) == {"secure"}


def _without_secrets(config: Mapping[str, Any]) -> dict[str, Any]:
    kept = {}
    for key, value in config.items():
        if not _is_secure(value) and key.removeprefix(PREFIX) not in SECRETS:
            kept[key] = _without_secrets(value) if isinstance(value, Mapping) else value
    return kept


def _with_tuples(value: Any) -> Any:
    """Lists as tuples, which is what strict validation expects of fields that cannot change."""
    if isinstance(value, Mapping):
        return {key: _with_tuples(below) for key, below in value.items()}
    return tuple(_with_tuples(below) for below in value) if isinstance(value, list) else value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("duplicate key")
    return dict(pairs)
