"""Requests and tokens of each API key: the collector counts them in the gateway's lines (pure).

No engine knows keys, and HAProxy's own exporter counts none by key. What is counted is bounded by the stack file: ids
of keys, served models and classes of answers.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

PORT = 8889
REQUESTS = "slm_key_requests"
TOKENS = "slm_key_tokens"
"""Prometheus has both with `_total` at the end."""

MOST_SERIES = 10_000
"""What comes beyond them is not counted, and told of (otelcol_deltatocumulative_datapoints)."""

_RECEIVER = "file_log/keys"
_FOREVER = "87600h"
"""Ten years: a counter that is forgotten while nobody uses its key would begin again at nought."""


def lines_of(gateway: str, receiver: dict[str, Any], *, first: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """Reads as `receiver` does, and keeps the requests of known keys alone; `first` is done before.

    It reads for itself: a line that Loki does not take is tried again, and would be counted again.
    """
    own = f'resource.workload != "{gateway}" or resource.stream != "stdout"'
    return deepcopy(receiver) | {
        # What a collector finds when it begins anew was counted by the one before, or nobody watched then.
        "start_at": "end",
        "operators": [
            *first,
            *deepcopy(receiver["operators"]),
            {"type": "filter", "expr": own},
            # What HAProxy says of itself is no JSON.
            {"type": "json_parser", "parse_from": "body", "parse_to": "attributes", "on_error": "drop_quiet"},
            # A wrong key or none is nobody's, and its line has no id.
            {"type": "filter", "expr": 'attributes.key == nil or attributes.key == "-"'},
            {"type": "add", "field": "attributes.code_class", "value": f"EXPR({_CODE_CLASS})"},
        ],
    }


# A client that hung up before there was an answer has the status -1.
_CODE_CLASS = 'attributes.status >= 100 ? string(int(attributes.status / 100)) + "xx" : "other"'


def docker_lines_of(gateway: str) -> tuple[dict[str, Any], ...]:
    """Lets lines of others go before they are parsed. Quotes that a program writes itself have a backslash there."""
    return ({"type": "filter", "expr": f'not (body contains \'"slm.workload":"{gateway}"\')'},)


def parts(receiver: dict[str, Any]) -> dict[str, Any]:
    """What the collector's configuration has for it, by section; `receiver` is what `lines_of` made."""
    return {
        "receivers": {_RECEIVER: receiver},
        "connectors": {
            "signal_to_metrics": {
                "error_mode": "ignore",
                "logs": [
                    _count(REQUESTS, "Requests by API key.", "1", {"key": "code_class"}),
                    _tokens("in"),
                    _tokens("out"),
                ],
            }
        },
        "processors": {"delta_to_cumulative": {"max_stale": _FOREVER, "max_streams": MOST_SERIES}},
        "exporters": {
            "prometheus": {
                "endpoint": f"0.0.0.0:{PORT}",
                "metric_expiration": _FOREVER,
                "without_scope_info": True,
            }
        },
        "pipelines": {
            "logs/keys": {
                "receivers": [_RECEIVER],
                "processors": ["memory_limiter"],
                "exporters": ["signal_to_metrics"],
            },
            "metrics/keys": {
                "receivers": ["signal_to_metrics"],
                "processors": ["delta_to_cumulative"],
                "exporters": ["prometheus"],
            },
        },
    }


def _tokens(direction: str) -> dict[str, Any]:
    field = f'log.attributes["tokens_{direction}"]'
    # Nobody has told the tokens of most streams: they are missing, and not nought.
    return _count(
        TOKENS,
        "Tokens by API key, of answers that tell them.",
        f"Int({field})",
        {"key": "direction", "default_value": direction},
    ) | {"conditions": [f"{field} != nil"]}


def _count(name: str, about: str, value: str, label: dict[str, str]) -> dict[str, Any]:
    return {
        "name": name,
        "description": about,
        "include_resource_attributes": [{"key": "workload"}],
        "attributes": [{"key": "key"}, {"key": "model"}, label],
        "sum": {"value": value, "monotonic": True},
    }
