"""Kubernetes' quantities of memory, as far as manifests of this project use them."""

from __future__ import annotations

UNITS = {"Mi": 1, "Gi": 1024, "Ti": 1024 * 1024}


def mebibytes(text: str) -> int:
    """`512Mi` or `2Gi` in MiB. Raises KeyError for another unit."""
    return int(text[:-2]) * UNITS[text[-2:]]
