"""Errors a person can act on: what is wrong, what would come of it, what to do."""

from __future__ import annotations

from tools.errors import ToolError


class UserError(ToolError):
    """A mistake or a state of the machine that the person can mend; shown without a traceback, exit code 1."""
