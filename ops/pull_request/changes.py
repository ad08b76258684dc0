"""What changes, in plain words: per engine, way in, target and host (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from components.settings import Settings
from components.settings.image_rules import tag_of
from ops.pull_request.markdown import Section, code, listed, say
from ops.pull_request.picture import Picture
from ops.pull_request.sides import Place, Side
from ops.pull_request.words import changed, shown

PARTS = {"gateway": "gateway", "webui": "chat page", "monitoring": "monitoring"}
"""Parts of a description that are there once."""

COMMON = ("kind", "target", "model", "served_model_name", "parallel", "context_length", "gpus", "memory")
"""What all engines have, so that one kind can be compared with another."""


def section(places: list[Place], base: Side, head: Side) -> Section:
    """Every change of the description; nothing where only the program differs."""
    lines = [*_of_fleet(base, head)]
    for place in places:
        if found := list(_of_place(place)):
            where = [f"**{_hosts(place)}**", ""] if place.hosts else []
            lines += [*([""] if lines and place.hosts else []), *where, *found]
    lines += _secrets(base.document, head.document)
    return Section(tuple(lines), head=("### What changes", ""))


def _hosts(place: Place) -> str:
    many = "hosts" if len(place.hosts) > 1 else "host"
    return f"{len(place.hosts)} {many}: {listed(place.hosts)}"


def _of_fleet(base: Side, head: Side) -> Iterator[str]:
    before, after = base.fleet, head.fleet
    if before and after:
        if found := changed(_plain(before.rollout), _plain(after.rollout)):
            yield f"- **rollout**: {'; '.join(found)}"
        added = [name for name in after.hosts if name not in before.hosts]
        removed = [name for name in before.hosts if name not in after.hosts]
        yield from [f"- **added** to the fleet: {listed(added)}"] if added else []
        yield from [f"- **removed** from the fleet: {listed(removed)}"] if removed else []
        for name in (n for n in after.hosts if n in before.hosts):
            old, new = (fleet.host(name) for fleet in (before, after))
            own = {"address", "host_key", "labels"}
            if found := changed(_plain(old, own), _plain(new, own)):
                yield say("- host {}: ", name) + "; ".join(found)


def _of_place(place: Place) -> Iterator[str]:
    before, after = place.before, place.after
    if before is None or after is None:
        one = after or before
        if one:
            models = listed(dict.fromkeys(engine.model for engine in one.settings.engines.values()))
            yield f"- {'new: it will serve' if after else 'no longer described: it served'} {models}"
        return
    yield from _of_engines(before, after)
    old, new = before.settings, after.settings
    for field, name in PARTS.items():
        yield from _of_part(name, getattr(old, field), getattr(new, field))
    yield from _of_targets(old, new)
    yield from _of_images(old, new)
    rest = ("environment", "prices", "site", "left_out", "version")
    if found := changed({f: _plain_field(old, f) for f in rest}, {f: _plain_field(new, f) for f in rest}):
        yield f"- **the stack**: {'; '.join(found)}"
    yield from _of_keys(old, new)


def _of_engines(before: Picture, after: Picture) -> Iterator[str]:
    old, new = before.settings.engines, after.settings.engines
    for name in dict.fromkeys([*new, *old]):
        was, is_ = old.get(name), new.get(name)
        if was is None and is_ is not None:
            yield say("- engine {} is **new**: {} with model {} on {}", name, is_.kind, is_.model, is_.target)
        elif is_ is None and was is not None:
            yield say("- engine {} is **removed**: {} with model {}", name, was.kind, was.model)
        elif was is not None and is_ is not None:
            only = set(COMMON) if was.kind != is_.kind else None
            found = changed(_plain(was, only), _plain(is_, only)) + _of_weights(name, before, after)
            if found:
                yield say("- engine {}: ", name) + "; ".join(found)


def _of_weights(name: str, before: Picture, after: Picture) -> list[str]:
    """What of the weights is other, where the engine's own words do not say so."""
    if name not in before.settings.hosted or name not in after.settings.hosted:
        return []
    (old_form, old_bytes), (new_form, new_bytes) = before.form(name), after.form(name)
    old, new = before.settings.model_of(name), after.settings.model_of(name)
    old_pin, new_pin = old.pin(old_form), new.pin(new_form)
    found = []
    if (old_form, old_bytes) != (new_form, new_bytes):
        found.append(f"weights: {_sized(old_form, old_bytes)} → {_sized(new_form, new_bytes)}")
    elif old_pin != new_pin:
        found.append(say("weights: other ones of the same form, pin {} → {}", f"{old_pin[:12]}…", f"{new_pin[:12]}…"))
    if old.license != new.license:
        found.append(say("licence: {} → {}", old.license, new.license))
    if old.name == new.name:
        facts = {"weights", "name", "license"}
        found += changed(*(one.model_dump(mode="json", exclude=facts) for one in (old, new)))
    return found


def _sized(form: str, size_bytes: int) -> str:
    return f"{code(form)} ({size_bytes / 1e9:.2f} GB)"


def _of_part(name: str, old: BaseModel | None, new: BaseModel | None) -> Iterator[str]:
    if (old is None) != (new is None):
        yield f"- the {name} is **{'new' if new else 'removed'}**"
    elif old is not None and new is not None and (found := changed(_plain(old), _plain(new))):
        yield f"- {name}: {'; '.join(found)}"


def _of_targets(old: Settings, new: Settings) -> Iterator[str]:
    for name in dict.fromkeys([*new.targets, *old.targets]):
        was, is_ = old.targets.get(name), new.targets.get(name)
        if was is None and is_ is not None:
            yield say("- target {} is **new**: {}", name, is_.where)
        elif is_ is None and was is not None:
            yield say("- target {} is **removed**: {}", name, was.where)
        elif was is not None and is_ is not None and (found := changed(_plain(was), _plain(is_))):
            yield say("- target {}: ", name) + "; ".join(found)


def _of_images(old: Settings, new: Settings) -> Iterator[str]:
    roles = [*new.roles(), *new.optional_roles()]
    for role in sorted(dict.fromkeys(roles)):
        was, is_ = old.images.get(role), new.images.get(role)
        if was != is_ and role in {*old.roles(), *old.optional_roles()}:
            yield say("- image of {}: ", role) + f"{_image(was)} → {_image(is_)}"


def _image(image: str | None) -> str:
    if image is None:
        return "none known"
    name, _, digest = image.rpartition("@")
    tag = tag_of(name) if name else None
    return code(f"{name.rpartition('/')[2] if tag else name or 'built here'} {digest[7:19]}…")


def _of_keys(old: Settings, new: Settings) -> Iterator[str]:
    before, after = ({key.id: key.made for key in side.keys_made} for side in (old, new))
    for name in dict.fromkeys([*after, *before]):
        if name not in before:
            yield say("- API key {} of the gateway is **added**", name)
        elif name not in after:
            yield say("- API key {} of the gateway is **removed**", name)
        elif before[name] != after[name]:
            yield say("- API key {} of the gateway was made anew", name)


def _secrets(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Encrypted values that differ, by their names; and what protects them."""
    old, new = dict(_secure(before.get("config") or {})), dict(_secure(after.get("config") or {}))
    for path in sorted({*old, *new}):
        if old.get(path) != new.get(path):
            what = "is new" if path not in old else "is gone" if path not in new else "has another value"
            yield say("- encrypted {} ", path) + f"{what}, which is not shown"
    for key in ("secretsprovider", "encryptionsalt", "encryptedkey"):
        was, is_ = before.get(key), after.get(key)
        if was != is_ and (before or after):
            told = f": {shown(was, key)} → {shown(is_, key)}" if key == "secretsprovider" else " is another one"
            yield f"- what protects the secrets, {code(key)}{told}"


def _secure(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        if set(value) == {"secure"}:
            yield path, str(value["secure"])
            return
        for key, below in value.items():
            yield from _secure(below, f"{path}.{key}" if path else str(key))


def _plain(part: BaseModel, only: set[str] | None = None) -> dict[str, Any]:
    return part.model_dump(mode="json", include=only)


def _plain_field(settings: Settings, field: str) -> Any:
    dumped = settings.model_dump(mode="json", include={field})
    return dumped[field]
