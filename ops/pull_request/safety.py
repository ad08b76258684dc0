"""The security delta: what becomes less safe, what safer, and which exceptions come and go (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from components.settings import SecurityException, Settings
from ops.pull_request.markdown import Section, code, listed, row, say, table, text
from ops.pull_request.picture import Picture
from ops.pull_request.sides import Place, Side
from ops.pull_request.traits import Trait

WORSE, BETTER, OTHER = "**less safe**", "safer", "different"


def section(places: list[Place], base: Side, head: Side) -> Section:
    """One row for each trait that differs, the worse ones first."""
    rows: dict[str, tuple[str, ...]] = {}
    for place in places:
        for found in _of_place(place):
            line, group = row(*found, _where(place)), found[0]
            rows.setdefault(line, (group,))
    for found in _of_documents(base.document, head.document):
        rows.setdefault(row(*found, ""), (found[0],))
    order = (WORSE, OTHER, BETTER)
    lines = sorted(rows, key=lambda line: order.index(rows[line][0]))
    if not lines:
        return Section(("Nothing that this report looks at differs.",), head=("### Security", ""))
    return Section(tuple(lines), head=("### Security", "", *table("", "what", "before", "after", "control", "where")))


def worse(places: list[Place], base: Side, head: Side) -> int:
    """How many things become less safe."""
    documents = list(_of_documents(base.document, head.document))
    return sum(found[0] == WORSE for found in [*documents, *(one for place in places for one in _of_place(place))])


def _where(place: Place) -> str:
    return listed(place.hosts, 4)


def _of_place(place: Place) -> Iterator[tuple[str, ...]]:
    before, after = place.before, place.after
    if after is None:
        return
    if before is None:
        # Of something new only what opens it is news.
        for trait in after.traits.values():
            if trait.level >= 1 and trait.what.startswith(("port of", "prompts", "API server", "web pages")):
                yield WORSE, trait.what, "none", trait.words, _control(trait.control)
        yield from _exceptions(None, after.settings)
        return
    yield from _traits(before, after)
    yield from _exceptions(before.settings, after.settings)


def _traits(before: Picture, after: Picture) -> Iterator[tuple[str, ...]]:
    for what in sorted({*before.traits, *after.traits}):
        old, new = before.traits.get(what), after.traits.get(what)
        if old == new or _comes_with_its_page(what, old or new, new=old is None or new is None):
            continue
        was, becomes = _level(old), _level(new)
        group = WORSE if becomes > was else BETTER if becomes < was else OTHER
        control = _control((new or old or Trait("", "", 0)).control)
        yield group, what, old.words if old else "none", new.words if new else "none", control


def _comes_with_its_page(what: str, trait: Trait | None, *, new: bool) -> bool:
    """Whether it is only the encryption of a page that comes or goes, and that nobody else reaches."""
    return new and what.startswith("encryption of") and trait is not None and trait.level <= 2


def _level(trait: Trait | None) -> float:
    return float(trait.level) if trait else 0.0


def _exceptions(before: Settings | None, after: Settings) -> Iterator[tuple[str, ...]]:
    old = {(one.control, one.resource): one for one in before.security.exceptions} if before else {}
    new = {(one.control, one.resource): one for one in after.security.exceptions}
    for key in sorted({*old, *new}):
        was, becomes = old.get(key), new.get(key)
        if was == becomes:
            continue
        longer = was is None or (becomes is not None and becomes.expires > was.expires)
        group = WORSE if becomes is not None and longer else BETTER if becomes is None else OTHER
        yield group, say("exception for {}", key[1]), _said(was), _said(becomes), _control(key[0])


def _said(one: SecurityException | None) -> str:
    return "none" if one is None else f"until {one.expires}: {text(one.reason)}"


def _of_documents(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """What protects the stack's secrets, which is no setting of the program's."""
    if not before or not after:
        return
    old, new = (_provider(document) for document in (before, after))
    if old != new:
        group = WORSE if new[0] > old[0] else BETTER if new[0] < old[0] else OTHER
        yield group, "what protects the stack's secrets", old[1], new[1], _control(63)


def _provider(document: Mapping[str, Any]) -> tuple[int, str]:
    provider = document.get("secretsprovider")
    if not provider:
        return 2, "a passphrase of the machine"
    if provider == "passphrase":
        return 1, "a passphrase"
    return 0, code(provider)


def _control(number: int) -> str:
    return str(number) if number else ""
