"""How a request may end, for metrics and logs."""

from __future__ import annotations

from typing import Literal

Outcome = Literal["stop", "length", "cancelled", "rejected", "invalid", "error"]
"""Of `stop` and `length` the client had its answer; `rejected` is a full queue, `invalid` a request that was wrong."""
