"""The report: its sections in the order a reviewer needs them, and the few words on top (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from components.settings import SettingsError
from ops.pull_request import changes, figures, raw, risk, rollout, safety, unknowns
from ops.pull_request.besides import besides
from ops.pull_request.markdown import Section, code, comment, listed, row, table, text
from ops.pull_request.previews import Asked
from ops.pull_request.sides import Place, Side, places
from ops.pull_request.unknowns import Context

LIMIT = 65_536
"""Characters of a comment on GitHub."""

MOST_PROBLEMS = 50


@dataclass(frozen=True)
class Report:
    """`risky`: data would be lost, or the description must not be deployed. `invalid`: it cannot be used at all."""

    sections: tuple[Section, ...]
    risky: bool = False
    invalid: bool = False

    @property
    def full(self) -> str:
        """All of it."""
        return comment(self.sections)

    def comment(self, full_text: str, limit: int = LIMIT) -> str:
        """What a host takes as one comment; where it is cut it names the file that is not."""
        if len(self.full.encode()) <= limit:
            return self.full
        pointer = f"**This is cut.** The full text is the file {code(full_text)} among the artifacts of this run."
        return comment((self.sections[0], Section((pointer,)), *self.sections[1:]), limit)


def marker(stack: str) -> str:
    """The line by which whoever comments finds the comment to edit."""
    return f"<!-- slm-stacks report-pr {stack} -->"


def build(base: Side, head: Side, asked: Sequence[Asked] = (), context: Context | None = None) -> Report:
    """The report about `head` as a change of `base`. Raises SettingsError for a base that cannot be read."""
    told, context = list(asked), context or Context()
    if not head.exists and not base.exists:
        return Report((_title(head.stack), Section(("Neither side describes this stack.",))))
    try:
        _read(head)
    except SettingsError as error:
        return Report((_title(head.stack), *_refused(error)), risky=True, invalid=True)
    found = places(base, head)
    risks = risk.risks(found, told)
    loud, quiet = risk.section(risks)
    more = besides(found, told, rollout.expected(found))
    parts = [
        changes.section(found, base, head),
        figures.fit(found),
        figures.cost(found),
        rollout.section(found, base, head, more),
        figures.downloads(found),
        safety.section(found, base, head),
        quiet,
    ]
    refusals = list(dict.fromkeys(words for place in found if place.after for words in place.after.refusals))
    refused = _refusals(refusals)
    program = _program(context.program)
    steps = [step for one in told if one.preview for step in one.preview.changes]
    if not parts[0].lines and not steps and not any(one.loud for one in risks):
        parts = []
    summary = _summary(found, risks, base, head, told, context, more) if parts else _nothing(context)
    folded = [raw.section(told)] if steps else []
    unknown = unknowns.section(found, told, context)
    every = (_title(head.stack), refused, loud, summary, *parts[:1], program, *parts[1:], unknown, *folded)
    return Report(every, risky=any(one.loud for one in risks) or bool(refusals))


def _read(side: Side) -> None:
    """Raise SettingsError for the first thing that is wrong with a side."""
    if side.exists:
        fleet = side.fleet
        side.settings(side.stack)
        seen: set[str] = set()
        for host in fleet.hosts if fleet else ():
            kind = fleet.host(host).model_dump_json(exclude={"address", "host_key", "labels"}) if fleet else ""
            if kind not in seen:
                seen.add(kind)
                side.settings(f"{side.stack}.{host}")


def _title(stack: str) -> Section:
    return Section((marker(stack), f"## Stack {code(stack)}: what this change does"))


def _refused(error: SettingsError) -> Iterator[Section]:
    yield Section((f"> [!CAUTION]\n> **{code(error.file)} cannot be used**, so nothing of it can be deployed.",))
    problems = error.problems[:MOST_PROBLEMS]
    rows = tuple(row(code(one.path), text(one.what), text(one.fix)) for one in problems)
    more = len(error.problems) - len(problems)
    yield Section(rows, head=table("where", "what is wrong", "how to mend it"))
    if more > 0:
        yield Section((f"… and {more} more problems",))


def _refusals(sentences: list[str]) -> Section:
    lines = tuple(f"> - {text(sentence)}" for sentence in sentences)
    return Section(
        lines, head=("> [!WARNING]", "> **It must not be deployed like this**, and `make up` refuses it:", ">")
    )


def _program(files: Sequence[str]) -> Section:
    if not files:
        return Section(())
    folders: dict[str, int] = {}
    for file in files:
        folder = "/".join(file.split("/")[:2]) if "/" in file else file
        folders[folder] = folders.get(folder, 0) + 1
    counted = ", ".join(f"{code(folder)} ({count})" for folder, count in sorted(folders.items()))
    return Section((f"- **the program itself**: {len(files)} files differ: {counted}",), head=("### The program", ""))


def _summary(
    found: list[Place], risks: list[risk.Risk], base: Side, head: Side, told: list[Asked], context: Context, more: str
) -> Section:
    lost = sum(one.loud for one in risks)
    rows = [("Compared with", f"**not as it should be**: {text(note)}") for note in context.notes]
    rows += [("Data at risk", f"**{lost}**, see above" if lost else "none found")]
    if misfits := figures.misfits(found):
        where = [f"{code(one.engine)}{f' on {listed(one.hosts, 4)}' if one.hosts else ''}" for one in misfits]
        rows.append(("Fits", f"**no**: {', '.join(where)}"))
    rows.append(("Stands still", _still(found) + (f"; {more}" if more else "")))
    if counted := _counted(told):
        rows.append(("Resources", counted))
    if spent := figures.spent(found):
        rows.append(("Cost", spent))
    total = sum(size for place in found for _, _, size in figures.fetched(place) * max(1, len(place.hosts)))
    rows.append(("To download", f"{total / 1e9:.2f} GB of weights" if total else "no weights"))
    less = safety.worse(found, base, head)
    rows.append(("Security", f"**{less} less safe**" if less else "nothing found that is less safe"))
    return Section(tuple(row(*pair) for pair in rows), head=table("In short", ""))


def _nothing(context: Context) -> Section:
    of = " in the description; the program differs" if context.program else ""
    return Section((f"**Nothing changes**{of}.",))


def _counted(told: list[Asked]) -> str:
    """What the previews would do, counted."""
    words = {"create": "made", "update": "changed", "replace": "replaced", "delete": "deleted"}
    steps = [step.op for one in told if one.preview for step in one.preview.changes]
    return ", ".join(f"{steps.count(op)} {word}" for op, word in words.items() if op in steps)


def _still(found: list[Place]) -> str:
    words = []
    for outage in rollout.outages(found):
        limit = f", at most {outage.seconds} s" if outage.seconds is not None else ", for how long is not known"
        hosts = f" on {listed(outage.hosts, 4)}" if outage.hosts else ""
        words.append(f"{outage.what}{hosts}{limit}")
    if any(side and side.planned is None for place in found for side in (place.before, place.after)):
        words.append("not known, see the rollout")
    return "; ".join(words) or "nothing, by the description"
