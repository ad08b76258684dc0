"""What the gateway tells an autoscaler: how much is asked of each engine that it scales (pure).

KEDA asks a copy of the gateway, so no Prometheus is needed. The number is the requests that run and wait there, where
the queue is: an engine is given no more than it works on at once. It is one more while some request of the last minute
found no copy running. Such requests were answered 503 with Retry-After and are gone when KEDA looks, but they are the
only sign by which an engine without copies is started again. They are not counted, since whoever tries again every few
seconds wants one copy and not a dozen.
"""

from __future__ import annotations

WANTED_SECONDS = 60
"""How long a refused request counts. KEDA looks more often than this, so none is missed."""


def demand_path(engine: str) -> str:
    """Where the gateway says how much is asked of `engine`, on its internal port: a JSON object with `demand`."""
    return f"/demand/{engine}"
