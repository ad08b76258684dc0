"""`kind` is checked before anything else of an entry, so that its mistake is one sentence and not a union's dozen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

from components.settings.secret_words import shown


def kinds_of(union: Any) -> tuple[str, ...]:
    """The values of `kind` in a class, or in an annotated union of classes."""
    if isinstance(union, type) and issubclass(union, BaseModel):
        return get_args(union.model_fields["kind"].annotation)
    return tuple(
        kind for member in get_args(union) if not hasattr(member, "discriminator") for kind in kinds_of(member)
    )


def named_kind(what: str, union: Any, planned: Iterable[str] = ()) -> Callable[[Any], Any]:
    """A validator for an entry of `targets` or `engines`: its `kind` must be one that is built."""
    built, planned = kinds_of(union), tuple(planned)

    def check(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        fix = f"must be one of {', '.join(built)}"
        if "kind" not in value:
            raise ValueError(f"kind is missing, so nobody knows what {what} this is — kind {fix}")
        kind = value["kind"]
        if kind in planned:
            raise ValueError(f"{what} kind '{kind}' is not built yet — kind {fix}")
        if kind not in built:
            close = get_close_matches(str(kind), [*built, *planned], n=1)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            raise ValueError(f"{what} kind {shown(kind)} is unknown{hint} — kind {fix}")
        return value

    return check
