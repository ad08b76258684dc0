"""What can go wrong with a control plane of one's own."""

from __future__ import annotations


class ControlPlaneError(Exception):
    """The control plane cannot do what it is for. Says what, what would come of it, and what to do."""

    def __init__(self, what: str, *, harm: str = "no rehearsal can run", fix: str) -> None:
        super().__init__(what)
        self.what, self.harm, self.fix = what, harm, fix

    def __str__(self) -> str:
        return f"{self.what}\n  harm: {self.harm}\n  fix:  {self.fix}"


class MissingProgram(ControlPlaneError):
    """A program of the control plane is not installed."""


class PortTaken(ControlPlaneError):
    """Another process listens on a port that was asked for."""


class ProcessEnded(ControlPlaneError):
    """A process of the control plane ended by itself, or never became ready. The text holds its last log lines."""


class NoAnswer(ControlPlaneError):
    """The API server took a request and did not answer it in time, or cannot be reached."""


class NotReady(ControlPlaneError):
    """Something that was waited for did not happen in time."""
