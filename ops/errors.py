"""Errors a person can act on: what is wrong, what would come of it, what to do."""

from __future__ import annotations


class UserError(Exception):
    """A mistake or a state of the machine that the person can mend; shown without a traceback, exit code 1."""

    def __init__(self, what: str, *, harm: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what, self.harm, self.fix = what, harm, fix

    def __str__(self) -> str:
        lines = [self.what]
        for label, text in (("harm", self.harm), ("fix", self.fix)):
            if text:
                first, *rest = text.splitlines()
                lines += [f"  {label + ':':<6}{first}", *(f"        {line}" for line in rest)]
        return "\n".join(lines)
