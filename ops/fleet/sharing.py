"""Which host of a site fetches weights, and which get them from it (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from components.neighbours import Given, content


@dataclass(frozen=True)
class Held:
    """What is fetched into one volume of a host: its size in bytes, and the files that neighbours may have.

    `there`: all of it is in the volume and was verified.
    """

    volume: str
    size: int
    files: tuple[Given, ...] = ()
    there: bool = False

    @property
    def content(self) -> str | None:
        """Names its bytes; None when nobody may have them from this host."""
        return content(self.files)


@dataclass(frozen=True)
class Candidate:
    """A host of a rollout. `site` None has no neighbours; `able`: it can serve what it has."""

    host: str
    site: str | None
    able: bool
    held: tuple[Held, ...]

    def with_all(self) -> Candidate:
        """The host once its deployment has ended well."""
        return replace(self, held=tuple(replace(one, there=True) for one in self.held))

    def has(self, wanted: str) -> bool:
        """Whether it has this content."""
        return any(one.there for one in self.held if one.content == wanted)


@dataclass(frozen=True)
class Taking:
    """A host gets the content of one of its volumes from `giver`, which may have to fetch it first."""

    host: str
    held: Held
    giver: str


def plan(candidates: Sequence[Candidate]) -> list[Taking]:
    """Who gets what from whom; `candidates` are in the order in which the rollout reaches them.

    What a host lacks comes from the first of its site that has it and can serve, otherwise from the first that the
    rollout reaches before it and that can serve; that one fetches it from the sources, as does everybody who is not
    listed here. So nobody waits for one who comes later.
    """
    return list(_taken(candidates))


def _taken(candidates: Sequence[Candidate]) -> Iterator[Taking]:
    for at, one in enumerate(candidates):
        for held in one.held:
            wanted = held.content
            if held.there or wanted is None or one.site is None:
                continue
            able = [(n, other) for n, other in enumerate(candidates) if other.site == one.site and other.able]
            having = [other for _, other in able if other.has(wanted)]
            before = [other for n, other in able if n < at and wanted in {own.content for own in other.held}]
            if giver := next(iter([*having, *before]), None):
                yield Taking(one.host, held, giver.host)


def from_neighbours(takings: Sequence[Taking]) -> dict[str, int]:
    """Bytes that hosts get from neighbours, by host: they do not cross the link of the site."""
    found: dict[str, int] = {}
    for taking in takings:
        found[taking.host] = found.get(taking.host, 0) + taking.held.size
    return found
