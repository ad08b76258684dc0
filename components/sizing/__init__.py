"""Sizing: does it fit, how much fits, and what to change when it does not, before anything exists (pure)."""

from components.sizing.advice import Change, changes, vm_sizes
from components.sizing.machine import Machine, candidates, of_vm_size
from components.sizing.stack import Sized, cautions, misfits, size
from components.sizing.verdict import Answer, Part, Verdict, judge

__all__ = [
    "Answer",
    "Change",
    "Machine",
    "Part",
    "Sized",
    "Verdict",
    "candidates",
    "cautions",
    "changes",
    "judge",
    "misfits",
    "of_vm_size",
    "size",
    "vm_sizes",
]
