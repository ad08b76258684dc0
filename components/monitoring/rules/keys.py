"""Age, requests and tokens of each API key, by its id; the latter as the collector counted them in the gateway's log
(pure).
"""

from __future__ import annotations

from components.monitoring.key_counts import REQUESTS, TOKENS
from components.monitoring.rules.rule import Group, Record


def keys() -> Group:
    """Series of each key. A collector that begins again counts from nought, which a rate knows as such."""
    return Group(
        name="keys",
        rules=(
            Record(name="slm:key_requests:rate5m", expr=_rate("code_class", REQUESTS)),
            Record(name="slm:key_tokens:rate5m", expr=_rate("direction", TOKENS)),
            Record(name="slm:key_age_seconds", expr="time() - slm:key_made_timestamp_seconds"),
        ),
    )


def _rate(label: str, counter: str) -> str:
    return f'sum by (key, model, {label}) (rate({counter}_total{{job="collector"}}[5m]))'
