"""Data at risk: what a change would delete or replace that nobody can make again (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from components.gateway import NAME as GATEWAY
from components.targets.spec import Aks, Docker, Kubernetes
from ops.previewed import Preview, Step
from ops.pull_request.markdown import Section, listed, say
from ops.pull_request.picture import Picture
from ops.pull_request.pools import CLUSTER
from ops.pull_request.previews import Asked
from ops.pull_request.sides import Place

DESTROYS = frozenset({"delete", "replace", "delete-replaced", "discard", "discard-replaced"})
KINDS: tuple[tuple[str, str], ...] = (
    (r"docker:index/volume:Volume", "a volume of a Docker engine"),
    (r"kubernetes:core/v1:PersistentVolume(Claim)?", "a volume of a cluster"),
    (r"kubernetes:core/v1:Namespace", "a namespace, and with it everything in it"),
    (r"azure-native:containerservice[^:]*:ManagedCluster", "a cluster, and everything that only it holds"),
    (r"azure-native:keyvault[^:]*:Vault", "a vault with its secrets and keys"),
    (r"azure-native:keyvault[^:]*:.*", "a secret or key of a vault"),
    (r"azure-native:containerregistry[^:]*:Registry", "a registry with its images"),
    (r"azure-native:resources[^:]*:ResourceGroup", "a resource group, and with it everything in it"),
    (r"azure-native:storage[^:]*:(StorageAccount|FileShare|BlobContainer)", "storage with its files"),
    (r"azure-native:compute[^:]*:Disk", "a disk"),
    (r"azure-native:(dbfor|sql|documentdb|cosmosdb|redis)[^:]*:.*", "a database"),
    (r"azure-native:monitor[^:]*:AzureMonitorWorkspace", "the store of figures"),
    (r"azure-native:operationalinsights[^:]*:Workspace", "the store of logs"),
)
FILES = "-files-volume"
"""How the names of volumes end that hold nothing but what the description says."""


@dataclass(frozen=True)
class Risk:
    """One thing in Markdown. `loud` False: it stays somewhere, and nobody has to be stopped by it."""

    words: str
    loud: bool = True
    hosts: tuple[str, ...] = ()


def risks(places: list[Place], asked: list[Asked]) -> list[Risk]:
    """All of them: by the previews where there are some, else by what the description says."""
    seen = {one.host for one in asked if one.preview}
    found: dict[tuple[str, bool], list[str]] = {}
    for one in asked:
        for risk in _previewed(one.preview) if one.preview else ():
            found.setdefault((risk.words, risk.loud), []).append(one.host)
    for place in places:
        blind = not (set(place.hosts or ("",)) <= seen)
        for risk in (*_always(place), *(_described(place) if blind else ())):
            found.setdefault((risk.words, risk.loud), []).extend(place.hosts or ("",))
    return [Risk(words, loud, tuple(filter(None, hosts))) for (words, loud), hosts in found.items()]


def section(found: list[Risk]) -> tuple[Section, Section]:
    """What is loud, for the top; and what stays, for those who tidy up."""
    loud = [f"> - {risk.words}{_on(risk)}" for risk in found if risk.loud]
    quiet = [f"- {risk.words}{_on(risk)}" for risk in found if not risk.loud]
    head = ("> [!CAUTION]", "> **Data at risk.** Look at each of these before anything else:", ">")
    return Section(tuple(loud), head=head), Section(tuple(quiet), head=("### Data that stays", ""))


def _on(risk: Risk) -> str:
    return f" ({listed(risk.hosts)})" if risk.hosts else ""


def kind_of(step: Step) -> str | None:
    """What data such a resource holds; None for one that holds none."""
    if step.type == KINDS[0][0] and step.name.endswith(FILES):
        return None
    return next((words for pattern, words in KINDS if re.fullmatch(pattern, step.type)), None)


def _previewed(preview: Preview) -> Iterator[Risk]:
    by_urn: dict[str, list[Step]] = {}
    for step in preview.changes:
        if step.op in DESTROYS and kind_of(step):
            by_urn.setdefault(step.urn, []).append(step)
    for urn in sorted(by_urn):
        steps = by_urn[urn]
        step, states = steps[0], [s for one in steps for s in (one.old_state, one.new_state) if s]
        replaced = any("replace" in one.op for one in steps)
        old = [one.old_state for one in steps if one.old_state]
        verb = "is **replaced**, what it holds is lost" if replaced else "is **deleted**"
        why = _why(steps)
        if any(state.retain_on_delete for state in old) or (not old and any(s.retain_on_delete for s in states)):
            how = "the stack lets go of it" if not replaced else "it is declared anew"
            yield Risk(
                say("{}, ", step.name) + f"{kind_of(step)}: " + f"{how}, and what it holds stays{why}", loud=False
            )
            continue
        guard = " Pulumi refuses it while it is protected." if any(state.protect for state in old) else ""
        yield Risk(say("{}, ", step.name) + f"{kind_of(step)}: " + f"{verb}{why}.{guard}")


def _why(steps: list[Step]) -> str:
    fields = sorted({field for step in steps for field in (*step.replace_reasons, *step.diff_reasons)})
    return f" because of {listed(fields, 6)}" if fields else ""


def _always(place: Place) -> Iterator[Risk]:
    """What no preview tells."""
    before, after = place.before, place.after
    if before and after is None:
        words = "no longer described: what runs there, its volumes and its keys stay, and nobody looks after them;"
        stack = before.stack
        yield Risk(say(f"{words} to remove it, before this is merged: {{}}", f"make down STACK={stack}"))
        return
    if not before or not after:
        return
    old, new = before.settings.monitoring, after.settings.monitoring
    if old and new and not old.managed and not new.managed:
        for field, what in (("metrics_days", "figures"), ("logs_days", "logs")):
            was, becomes = getattr(old.retention, field), getattr(new.retention, field)
            if becomes < was:
                yield Risk(f"{what} older than {becomes} days are dropped; they were kept for {was}")
        for field, what in (("metrics_gib", "figures"), ("logs_gib", "logs")):
            was, becomes = getattr(old.retention, field), getattr(new.retention, field)
            if becomes < was:
                yield Risk(f"of {what} only {becomes:g} GiB are kept, not {was:g}: the oldest may be dropped")


def _described(place: Place) -> Iterator[Risk]:
    """What the two descriptions say when nobody asked the stack itself."""
    before, after = place.before, place.after
    if not before or not after:
        return
    for name, old in before.settings.targets.items():
        new = after.settings.targets.get(name)
        if new is None or old.kind != new.kind:
            words = "target {} is gone: what runs on {} is removed, its volumes with it unless they are kept"
            yield Risk(say(words, name, old.where))
        elif isinstance(old, Aks) and isinstance(new, Aks):
            yield from _azure(name, old, new)
        elif isinstance(old, Kubernetes) and isinstance(new, Kubernetes):
            if old.where != new.where:
                yield Risk(say("target {} is another place: volumes on {} stay behind or are deleted", name, old.where))
        elif isinstance(old, Docker) and old.where != new.where:
            words = "target {} is another machine: {} keeps its volumes, and nobody looks after them"
            yield Risk(say(words, name, old.where))
    yield from _volumes(before, after)


def _azure(name: str, old: Aks, new: Aks) -> Iterator[Risk]:
    for field in CLUSTER:
        if getattr(old, field) != getattr(new, field):
            yield Risk(say("cluster {} is **replaced**, because {} cannot be changed", name, field))
    for field in ("vault", "registry"):
        was, is_ = getattr(old, field), getattr(new, field)
        if was and (is_ is None or is_.name != was.name):
            becomes = "is removed" if is_ is None else say("becomes {}", is_.name)
            stays = "; it stays in Azure" if field == "vault" and new.retain.vault else ""
            yield Risk(
                say(f"{field} {{}} of target {{}} ", was.name, name)
                + f"{becomes}, and what it holds is not moved{stays}"
            )


def _volumes(before: Picture, after: Picture) -> Iterator[Risk]:
    """Volumes that a service alone writes and that no service has any more."""
    if before.planned is None or after.planned is None:
        return
    kept_by: Mapping[str, set[str]] = {n: {v.name for v in r.workload.volumes} for n, r in after.planned.items()}
    for name, runs in before.planned.items():
        for volume in runs.workload.volumes:
            if name == GATEWAY or volume.read_only or volume.fill or volume.name in kept_by.get(name, set()):
                continue
            words = say("volume {} of {}: nothing uses it any more, ", volume.name, name)
            yield Risk(words + ("and it stays" if volume.keep else "and it is **deleted**"), loud=not volume.keep)
