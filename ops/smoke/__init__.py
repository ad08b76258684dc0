"""Checks of a running stack through its gateway: one question at the end of `up`, all of them in `make smoke`."""

from ops.smoke.question import ANSWER, QUESTION, Answer, ask

__all__ = ["ANSWER", "QUESTION", "Answer", "ask"]
