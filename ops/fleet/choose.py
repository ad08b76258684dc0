"""Which hosts of a fleet a command is about, and in which waves a change reaches them (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from components.settings.fleet import Fleet, Rollout
from components.settings.problems import unknown
from ops.errors import UserError


def choose(fleet: Fleet, wanted: str) -> tuple[str, ...]:
    """The hosts that `wanted` names, in the order of the file; all for an empty text.

    `wanted` has host names and `label=value`, separated by commas; each adds hosts. Raises UserError for a name that no
    host has and for a label that chooses none.
    """
    terms = [term.strip() for term in wanted.split(",") if term.strip()]
    if not terms:
        return tuple(fleet.hosts)
    chosen = {name for term in terms for name in _of_term(fleet, term)}
    return tuple(name for name in fleet.hosts if name in chosen)


def _of_term(fleet: Fleet, term: str) -> list[str]:
    label, equals, value = term.partition("=")
    if not equals:
        if term not in fleet.hosts:
            what, fix = unknown("host", term, fleet.hosts)
            raise UserError(f"HOSTS: {what}", harm="nothing was done", fix=fix)
        return [term]
    labels = {name: fleet.host(name).labels for name in fleet.hosts}
    if found := [name for name, own in labels.items() if own.get(label) == value]:
        return found
    values = sorted({own[label] for own in labels.values() if label in own})
    if values:
        what, fix = unknown(f"value of label '{label}':", value, values)
    else:
        what, fix = unknown("label", label, {key for own in labels.values() for key in own})
    raise UserError(f"HOSTS={term} chooses no host: {what}", harm="nothing was done", fix=fix)


def waves(names: Sequence[str], rollout: Rollout) -> list[tuple[str, ...]]:
    """The hosts in the order they are changed: the canaries, then up to each percentage of all."""
    found, done = list[tuple[str, ...]](), 0
    for upto in (min(rollout.canary, len(names)), *(ceil(len(names) * part / 100) for part in rollout.percent)):
        if upto > done:
            found.append(tuple(names[done:upto]))
            done = upto
    return found
