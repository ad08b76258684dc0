"""What can go wrong with a real node."""

from __future__ import annotations

from rehearsal.control_plane.errors import ControlPlaneError


class CannotRun(ControlPlaneError):
    """This machine lacks something without which no real node can run; the text names it."""
