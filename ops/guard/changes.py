"""A change that replaces or deletes what is protected fails before anything is changed, unless it names it.

What it may do is data in the stack's file, `slm:allow_replace`, so that it is read where the change is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from rich.console import Console

from components.settings import Settings
from components.settings.stack_file import file_name, host_of
from ops.errors import UserError
from ops.guard.kinds import loss
from ops.previewed import Preview, Step, preview
from ops.pulumi_cli import Pulumi

DELETES = frozenset({"delete", "discard"})
REPLACES = frozenset({"replace", "create-replacement", "delete-replaced", "discard-replaced"})
IGNORING = "--ignore-protect"
"""Pulumi's own protection would end a preview at the first resource; all of them are judged here."""

SUGGESTED = timedelta(days=7)


@dataclass(frozen=True)
class Danger:
    """A protected resource that a change would replace or delete, why by Pulumi's words, and what would be lost."""

    urn: str
    type: str
    name: str
    deletes: bool
    fields: tuple[str, ...]
    lost: str
    protected: bool
    retained: bool

    def __str__(self) -> str:
        doing = "deletes" if self.deletes else "replaces"
        why = f", because {', '.join(self.fields)} changes" if self.fields and not self.deletes else ""
        then = "the old one stays, and nothing looks after it" if self.retained else f"lost is {self.lost}"
        return f"it {doing} {self.name} ({self.type}){why}: {then}"


def dangers(found: Preview) -> list[Danger]:
    """What a change would do to protected resources, each once, in the order of the preview."""
    by_urn: dict[str, list[Step]] = {}
    for step in found.steps:
        if step.op in DELETES | REPLACES and loss(step.type, step.name, step.old_state):
            by_urn.setdefault(step.urn, []).append(step)
    return [_danger(steps) for steps in by_urn.values()]


def _danger(steps: Sequence[Step]) -> Danger:
    first = steps[0]
    before = next((step.old_state for step in steps if step.old_state), None)
    reasons = next((step.replace_reasons for step in steps if step.replace_reasons), ())
    return Danger(
        urn=first.urn,
        type=first.type,
        name=first.name,
        deletes=all(step.op in DELETES for step in steps),
        fields=reasons or first.fields,
        lost=loss(first.type, first.name, before),
        protected=bool(before and before.protect),
        retained=bool(before and before.retain_on_delete),
    )


def require_allowed(settings: Settings, stack: str, found: Iterable[Danger], today: date | None = None) -> list[str]:
    """Raise UserError for what the stack's file does not allow, and for what it allows in vain.

    Gives a sentence for each permission that is used, and on a host of a fleet for one that is not: another host may
    still need it.
    """
    found = list(found)
    names = {danger.name for danger in found} | {danger.urn for danger in found}
    allowed = {one.resource: one for one in settings.allow_replace}
    refused = [danger for danger in found if not {danger.name, danger.urn} & allowed.keys()]
    if refused:
        names_listed = "".join(f"\n    - {{resource: {d.name}, reason: …, expires: {_soon(today)}}}" for d in refused)
        raise UserError(
            f"this change to production stack '{stack}' is not allowed:\n  " + "\n  ".join(map(str, refused)),
            harm="what is lost in this way does not come back; nothing was changed",
            fix="undo what causes it; where it is meant, say so in"
            f" {file_name(stack)} with the change itself:\n  slm:allow_replace:{names_listed}",
        )
    unused = [one for one in settings.allow_replace if one.resource not in names]
    if unused and not host_of(stack):
        raise UserError(
            f"{file_name(stack)} allows {', '.join(one.resource for one in unused)} to be replaced or deleted, and this"
            " change does neither",
            harm="a permission that is left behind lets a later mistake through; nothing was changed",
            fix="take it out of slm:allow_replace, or correct its name (make preview names resources)",
        )
    used = [f"{danger}; allowed: {_reason(danger, settings)}" for danger in found]
    return used + [f"slm:allow_replace names {one.resource}, which needs nothing of it here" for one in unused]


def guarded(settings: Settings) -> bool:
    """Whether changes of a stack are judged: production, and wherever a permission is given."""
    return settings.environment == "prod" or bool(settings.allow_replace)


def before_up(pulumi: Pulumi, settings: Settings, console: Console) -> tuple[str, ...]:
    """Judge what `pulumi up` would do now. Gives the options it needs for what is allowed. Raises UserError.

    A state without protected resources has nothing to lose, so that nothing is asked of Pulumi then.
    """
    if not guarded(settings):
        return ()
    stack = pulumi.machine.stack
    found: list[Danger] = []
    if _any_protected(pulumi):
        console.print("  looking whether anything protected would be replaced or deleted")
        found = dangers(preview(pulumi, IGNORING))
    for sentence in require_allowed(settings, stack, found):
        console.print(f"  {sentence}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    return (IGNORING,) if any(danger.protected for danger in found) else ()


def _any_protected(pulumi: Pulumi) -> bool:
    document = json.loads(pulumi.check("stack", "export", "-s", pulumi.machine.stack))
    resources = (document.get("deployment") or {}).get("resources") or []
    return any(loss(one["type"], one["urn"].split("::", 3)[3], None) for one in resources)


def _reason(danger: Danger, settings: Settings) -> str:
    return next(one.reason for one in settings.allow_replace if one.resource in (danger.name, danger.urn))


def _soon(today: date | None) -> date:
    return (today or date.today()) + SUGGESTED
