"""Whether it fits, what it costs and what is fetched, before and after (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from components.catalog.prices import prices
from components.pricing import HOURS, NOT_COUNTED, ClusterCost
from components.sizing import Sized
from ops.pull_request.markdown import Section, code, listed, row, table, text
from ops.pull_request.picture import Picture
from ops.pull_request.sides import Place

WORDS = {"fit": "fits", "tight": "tight", "misfit": "**does not fit**", "unknown": "not known"}
RESOURCES = {"vram": "GPU memory", "ram": "main memory", "disk": "disk"}


@dataclass(frozen=True)
class Misfit:
    """An engine that would not fit."""

    hosts: tuple[str, ...]
    engine: str


def fit(places: list[Place]) -> Section:
    """One row for each engine whose verdict, headroom or room differs."""
    rows, unchanged = [], []
    for place in places:
        before, after = place.before, place.after
        for name in dict.fromkeys([*(after.sized if after else ()), *(before.sized if before else ())]):
            old, new = (side.sized.get(name) if side else None for side in (before, after))
            if old and new and (old.verdict, old.help) == (new.verdict, new.help):
                unchanged.append(f"{code(name)}{_at(place)} {WORDS[new.verdict.answer]}")
            else:
                rows.append(row(f"{code(name)}{_at(place)}", _verdict(old, place), _verdict(new, place)))
                if new and new.help and new.verdict.answer in ("misfit", "tight"):
                    rows.append(row("", "", f"helps: {text(new.help)}"))
    if not rows:
        if not unchanged:
            return Section(())
        return Section((f"Unchanged: {'; '.join(unchanged)}.",), head=("### Fit and headroom", ""))
    return Section(tuple(rows), head=("### Fit and headroom", "", *table("engine", "before", "after")))


def _at(place: Place) -> str:
    return f" on {listed(place.hosts, 4)}" if place.hosts else ""


def _verdict(sized: Sized | None, place: Place) -> str:
    if sized is None:
        return "none"
    verdict = sized.verdict
    machine = "each of them" if len(place.hosts) > 1 else code(verdict.machine)
    said = [f"{WORDS[verdict.answer]} on {machine}"]
    for part in verdict.parts:
        need = f"{RESOURCES[part.resource]}: needs {part.needed_mib / 1024:.1f}"
        if part.available_mib is None:
            if part.resource != "disk":
                said.append(f"{need} GiB, of how much is not known")
            continue
        left = (part.headroom_mib or 0) / 1024
        short = f"{-left:.1f} too little" if left < 0 else f"{left:.1f} left"
        said.append(f"{need} of {part.available_mib / 1024:.1f} GiB, {short}")
    if verdict.kv_tokens is not None:
        most = f", {verdict.most_requests:,} requests of {verdict.context:,}" if verdict.most_requests else ""
        said.append(f"room for {verdict.kv_tokens:,} tokens{most if verdict.context else ''}")
    said += [text(reason) for reason in verdict.reasons]
    return "<br>".join(said)


def misfits(places: list[Place]) -> list[Misfit]:
    """The engines that would not fit after the change."""
    return [
        Misfit(place.hosts, sized.engine)
        for place in places
        if place.after
        for sized in place.after.sized.values()
        if sized.verdict.answer == "misfit"
    ]


def cost(places: list[Place]) -> Section:
    """One row for each cluster; a word where nothing is paid by the hour."""
    rows, notes = [], []
    for place in places:
        before, after = place.before, place.after
        for name in dict.fromkeys([*(after.costs if after else ()), *(before.costs if before else ())]):
            old, new = (side.costs.get(name) if side else None for side in (before, after))
            rows.append(row(code(name), _month(old), _month(new), _difference(old, new)))
            for one in (new,) if new else ():
                if one.approximate:
                    notes.append(f"Prices of {listed(one.approximate)} are another region's.")
                if one.unknown:
                    notes.append(f"Not known, and so not in the sums: the price of {listed(one.unknown)}.")
    if not rows:
        counted = "Everything runs on machines that are there anyway: nothing is counted for them."
        return Section((counted,), head=("### Cost a month", ""))
    notes.append(
        f"USD, {HOURS} hours, fewest nodes to all nodes; list prices of {prices().read}. Not counted: {NOT_COUNTED}."
    )
    head = ("### Cost a month", "", *table("cluster", "before", "after", "difference"))
    return Section(tuple(rows), head=head, foot=("", *dict.fromkeys(notes)))


def _month(one: ClusterCost | None) -> str:
    if one is None:
        return "none"
    least, most = (one.total(at_most=at_most) * HOURS for at_most in (False, True))
    missing = "at least " if one.missing(at_most=True) else ""
    return f"{missing}{least:,.0f}" + (f" to {most:,.0f}" if round(most) != round(least) else "")


def _difference(old: ClusterCost | None, new: ClusterCost | None) -> str:
    deltas = [
        (new.total(at_most=most) if new else 0) * HOURS - (old.total(at_most=most) if old else 0) * HOURS
        for most in (False, True)
    ]
    if any(one and one.missing(at_most=True) for one in (old, new)):
        return "not known"
    least, most = (f"{delta:+,.0f}" if round(delta) else "0" for delta in deltas)
    return least if least == most else f"{least} to {most}"


def spent(places: list[Place]) -> str:
    """The difference in one line, for the summary; empty where no cluster is paid for."""
    olds, news = (
        [one for p in places if (side := getattr(p, s)) for one in side.costs.values()] for s in ("before", "after")
    )
    if not olds and not news:
        return ""
    before, after = (" + ".join(map(_month, side)) or "0" for side in (olds, news))
    return f"{before} → {after} USD a month" if before != after else f"{after} USD a month, unchanged"


def fetched(place: Place) -> list[tuple[str, str, int]]:
    """Model, form and bytes of all weights that one host, or the cluster, does not have by its description."""
    if place.after is None:
        return []
    had = place.before.weights if place.before else {}
    moved = {key for key in place.after.weights if key in had and _other_machine(place, key[0])}
    new = {key: one for key, one in place.after.weights.items() if key not in had or key in moved}
    return [(one.model, one.form, one.size_bytes) for one in new.values()]


def _other_machine(place: Place, target: str) -> bool:
    if place.before is None or place.after is None:
        return True
    old, new = (side.settings.targets.get(target) for side in (place.before, place.after))
    return old is not None and new is not None and old.where != new.where


def downloads(places: list[Place]) -> Section:
    """Weights that are fetched, and images that are pulled, by place."""
    lines, total, more = [], 0, 0
    for place in places:
        many = max(1, len(place.hosts))
        more += sum(size for _, _, size in fetched(place)) * many
        for model, form, size in fetched(place):
            times = f", {many} times: to {listed(place.hosts, 6)}" if many > 1 else _at(place)
            total += size * many
            lines.append(f"- weights {code(form)} of {code(model)}: {size / 1e9:.2f} GB{times}")
        if images := list(_pulled(place)):
            where = f" on {listed(place.hosts, 6)}" if place.hosts else ""
            lines.append(f"- images{where}: {listed(images)}; how large they are is not known")
    if total:
        lines.append(f"- in all {total / 1e9:.2f} GB of weights, unless they are there already from an earlier time")
    return Section(tuple(lines or ["Nothing."]), head=("### To download", ""))


def _pulled(place: Place) -> Iterator[str]:
    if place.after is None:
        return
    had = set(_images(place.before)) if place.before else set()
    machines = [{spec.where for spec in side.settings.targets.values()} for side in (place.before, place.after) if side]
    moved = machines[0] != machines[-1]
    for image in _images(place.after):
        if image not in had or moved:
            yield image.partition("@")[0]


def _images(one: Picture) -> list[str]:
    settings = one.settings
    known = [settings.images.get(role) for role in (*settings.roles(), *settings.optional_roles())]
    return list(dict.fromkeys(image for image in known if image and "@" in image))
