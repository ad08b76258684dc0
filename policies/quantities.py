"""Kubernetes' quantities of memory."""

from __future__ import annotations

UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "": 1}


def mebibytes(text: str) -> float:
    """`512Mi`, `2Gi`, `1G` or plain bytes in MiB. Raises ValueError for what is no such quantity."""
    number = text.rstrip("KMGTki")
    try:
        return float(number) * UNITS[text[len(number) :]] / 2**20
    except KeyError:
        raise ValueError(f"'{text}' is no quantity of memory") from None
