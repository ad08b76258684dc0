"""The one error of this package."""

from __future__ import annotations


class ToolError(Exception):
    """Something cannot be had. Says what, what would come of it, and what to do; shown without a traceback."""

    def __init__(self, what: str, *, harm: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what, self.harm, self.fix = what, harm, fix

    def __str__(self) -> str:
        lines = [self.what]
        for label, text in (("harm", self.harm), ("fix", self.fix)):
            if text:
                first, *rest = text.splitlines()
                lines.append(f"  {label + ':':<6}{first}")
                lines += [f"        {line}" for line in rest]
        return "\n".join(lines)
