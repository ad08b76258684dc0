"""What can go wrong with hosts of one's own."""

from __future__ import annotations

from rehearsal.control_plane.errors import ControlPlaneError


class HostError(ControlPlaneError):
    """A host cannot be started, or not do what is asked of it. Says what, what would come of it, and what to do."""

    def __init__(self, what: str, *, harm: str = "nothing can be deployed to it", fix: str) -> None:
        super().__init__(what, harm=harm, fix=fix)
