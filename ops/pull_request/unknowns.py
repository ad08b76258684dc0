"""What this report does not know, said so (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ops.pull_request.markdown import Section, code, listed, say, text
from ops.pull_request.previews import Asked
from ops.pull_request.raw import unknown_fields
from ops.pull_request.sides import Place

CLUSTER = "ManagedCluster"
MOST = 12


@dataclass(frozen=True)
class Context:
    """What is known of the change beside its two sides.

    `static` is why no stack was asked; empty when it was. `program` are changed files of the program. `notes` are
    sentences about the base.
    """

    static: str = ""
    program: Sequence[str] = ()
    notes: Sequence[str] = ()


def section(places: list[Place], asked: list[Asked], context: Context) -> Section:
    """One line for each thing, what matters most first."""
    lines = [f"- {line}" for line in dict.fromkeys([*_lines(places, asked, context)])]
    return Section(tuple(lines), head=("### Not known", ""))


def _lines(places: list[Place], asked: list[Asked], context: Context) -> Iterator[str]:
    yield from map(text, context.notes)
    if context.static:
        yield f"{text(context.static)}: this report says only what the descriptions say, and no resource was looked at"
    problems: dict[str, list[str]] = {}
    for one in asked:
        if one.preview is None:
            problems.setdefault(one.problem, []).append(one.host)
    for problem, hosts in problems.items():
        of = f"of {listed(hosts)} " if any(hosts) else ""
        yield f"no preview {of}could be made, so no resource was looked at: {text(problem)}"
    yield from _of_clusters(asked)
    if count := unknown_fields(asked):
        inputs = "inputs of resources are" if count > 1 else "input of a resource is"
        yield f"{count} {inputs} known only after the deployment: {code('[unknown]')} in the raw diff"
    for severity in ("error", "warning"):
        said = [
            d.message.strip() for one in asked if one.preview for d in one.preview.diagnostics if d.severity == severity
        ]
        yield from (f"the preview said ({severity}): {text(_first_line(line))}" for line in dict.fromkeys(said))
    if context.program and (context.static or not any(one.preview for one in asked)):
        yield "the program itself changes as well, and only a preview shows what that does to resources"
    yield from _of_places(places)


def _of_clusters(asked: list[Asked]) -> Iterator[str]:
    for one in asked:
        steps = one.preview.steps if one.preview else ()
        made = [step for step in steps if step.type.endswith(f":{CLUSTER}") and step.op in ("create", "replace")]
        if made and any(step.type.startswith("kubernetes:") for step in steps):
            what = "is not there yet" if made[0].op == "create" else "will be another one"
            yield say(
                f"cluster {{}} {what}, so it could not be asked: whether it takes the objects is known when it is made",
                made[0].name,
            )


def _of_places(places: list[Place]) -> Iterator[str]:
    for place in places:
        after = place.after
        if after is None:
            continue
        for sized in after.sized.values():
            if sized.verdict.answer == "unknown":
                reasons = "; ".join(map(text, sized.verdict.reasons)) or "nobody says how much memory its machine has"
                yield say("whether engine {} fits: ", sized.engine) + reasons
        if place.changes and (unprepared := after.settings.unprepared()):
            yield f"the content of images that each site builds for itself: {listed(unprepared)}"


def _first_line(message: str) -> str:
    return message.split("\n")[0]
