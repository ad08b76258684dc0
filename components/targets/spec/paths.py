"""Words that several kinds of targets share."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

FilePath = Annotated[str, StringConstraints(pattern=r"^(~/|/)[A-Za-z0-9._/-]+$")]
"""Absolute, or below the home directory of whoever runs the tool (`~/…`)."""
