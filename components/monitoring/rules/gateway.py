"""What the gateway sees of each engine, whatever kind it is: whether it serves, requests, errors, who waits (pure)."""

from __future__ import annotations

from components.monitoring.rules.expressions import BACKEND, BY_ENGINE, described, per_engine
from components.monitoring.rules.rule import Group, Record

COUNTED_HERE = "ollama|external"
"""Kinds of engine that do not tell their running requests: the gateway's count stands for them."""


def gateway() -> Group:
    """Series of every engine from the gateway's exporter, and requests and queue of both together."""
    responses = f"rate(haproxy_backend_http_responses_total{{{BACKEND}}}[5m])"
    classes = f'label_replace({responses}, "code_class", "$1", "code", "(.+)")'
    # A request waits in the queue of the backend, or of one server when its conversation belongs there.
    queue = f'sum by (proxy) ({{__name__=~"haproxy_(backend|server)_current_queue",{BACKEND}}})'
    sessions = f"sum by (proxy) (haproxy_backend_current_sessions{{{BACKEND}}})"
    aborts = f"rate(haproxy_backend_client_aborts_total{{{BACKEND}}}[5m])"
    active = f"haproxy_backend_active_servers{{{BACKEND}}}"
    waited = f"haproxy_backend_queue_time_average_seconds{{{BACKEND}}}"
    first_byte = f"haproxy_backend_response_time_average_seconds{{{BACKEND}}}"
    running = f"{sessions} - {queue}"
    own = "sum by (engine, kind, model)"
    return Group(
        name="gateway",
        rules=(
            # Each copy of the gateway looks for itself: an engine is up when one of them can use it.
            Record(name="slm:copies_up", expr=described(per_engine(active, "max"))),
            Record(name="slm:up", expr="slm:copies_up > bool 0"),
            Record(name="slm:requests:rate5m", expr=described(per_engine(classes, by="code_class"))),
            Record(
                name="slm:errors:rate5m",
                expr=f'{own} (slm:requests:rate5m{{code_class="5xx"}})',
            ),
            Record(name="slm:client_aborts:rate5m", expr=described(per_engine(aborts))),
            Record(name="slm:gateway_requests_waiting", expr=described(per_engine(queue))),
            Record(name="slm:gateway_requests_running", expr=described(per_engine(running))),
            Record(
                name="slm:requests_running",
                expr=f'slm:engine_requests_running\nor\nslm:gateway_requests_running{{kind=~"{COUNTED_HERE}"}}',
            ),
            # Those who wait in the gateway and those the engine has taken in and not begun are both waiting.
            Record(
                name="slm:requests_waiting",
                expr=f'sum {BY_ENGINE} ({{__name__=~"slm:(engine|gateway)_requests_waiting"}})',
            ),
            # Little's law: how long the last one in the queue will have waited if answers go on as they do.
            Record(
                name="slm:queue_wait_seconds",
                expr=f"slm:requests_waiting / (sum {BY_ENGINE} (slm:requests:rate5m) > 0)",
            ),
            Record(name="slm:queue_seconds:mean", expr=described(per_engine(waited, "max"))),
            Record(name="slm:first_byte_seconds:mean", expr=described(per_engine(first_byte, "max"))),
        ),
    )
