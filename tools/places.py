"""Where things lie: the checkout, and the cache that every checkout of one person shares."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
"""The root of this checkout."""

BUNDLE = CHECKOUT / ".bundle"
"""What came with this checkout in a bundle; it exists where `make load` has put it."""

VENV = CHECKOUT / ".venv"
"""The Python environment that tools/bootstrap.py makes."""


def cache_directory() -> Path:
    """`SLM_CACHE`, else `slm-stacks` in the person's cache directory. May not exist yet."""
    if own := os.environ.get("SLM_CACHE"):
        return Path(own).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "slm-stacks"


def pulumi_home(cache: Path | None = None) -> Path:
    """Where Pulumi keeps its plugins, so that a Pulumi of the person's own is left alone."""
    return (cache or cache_directory()) / "pulumi-home"
