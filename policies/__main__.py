"""The policy pack as Pulumi starts it: it serves what policies/pack.py has made of the rules."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Pulumi starts it from this folder, whose files must not be taken for modules of their own.
HERE = Path(__file__).resolve().parent
sys.path[:] = [str(HERE.parent), *(path for path in sys.path if path and Path(path).resolve() != HERE)]

from policies.pack import serve  # noqa: E402 - the path comes first

serve(os.environ)
