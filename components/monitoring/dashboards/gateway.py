"""The gateway, and whose requests they are."""

from __future__ import annotations

from components.monitoring.dashboards.model import GOOD_UNTIL_ZERO, Page, Panel, Query, Row, below

API = 'job="gateway",proxy="api"'
BACKENDS = 'job="gateway",proxy=~"engine-.+"'
# What HAProxy says of itself is on its other stream, and a rate over a line that is no JSON is an error.
LINES = '{workload="gateway",stream="stdout"} | json | __error__=""'


def gateway() -> Page:
    """Traffic, refusals, connections; and keys: what its log tells of them, and their age."""
    return Page(
        uid="slm-gateway",
        title="Gateway and keys",
        about="What the gateway answers and refuses, what waits in it, and whose requests they are.",
        rows=(
            Row(title="Traffic", panels=_traffic()),
            Row(title="Room", panels=_room()),
            Row(title="Keys", panels=_keys()),
        ),
    )


def _traffic() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Answers by status",
            about="Everything that came in, refusals included.",
            unit="reqps",
            queries=(
                Query(
                    expr=f"sum by (code) (rate(haproxy_frontend_http_responses_total{{{API}}}[$__rate_interval]))",
                    legend="{{code}}",
                ),
            ),
            low=0,
            stacked=True,
            runbooks=("GatewayRefusesMany",),
        ),
        Panel(
            title="Requests of each engine",
            about="Those that were let through.",
            unit="reqps",
            queries=(Query(expr="sum by (engine) (slm:requests:rate5m)", legend="{{engine}}"),),
            low=0,
            stacked=True,
        ),
        Panel(
            title="Clients that hang up",
            about="Before their answer is complete.",
            unit="reqps",
            queries=(Query(expr="slm:client_aborts:rate5m", legend="{{engine}}"),),
            low=0,
            runbooks=("ClientsGiveUp",),
        ),
        Panel(
            title="Connections to engines that fail",
            about="Errors while connecting, and answers that break off.",
            unit="cps",
            queries=(
                Query(
                    expr=f"rate(haproxy_backend_connection_errors_total{{{BACKENDS}}}[$__rate_interval])",
                    legend="{{proxy}} connecting",
                ),
                Query(
                    expr=f"rate(haproxy_backend_response_errors_total{{{BACKENDS}}}[$__rate_interval])",
                    legend="{{proxy}} answering",
                ),
            ),
            low=0,
            runbooks=("EngineDown",),
        ),
        Panel(
            title="Bytes",
            about="To clients and from them.",
            unit="Bps",
            queries=(
                Query(expr=f"sum (rate(haproxy_frontend_bytes_out_total{{{API}}}[$__rate_interval]))", legend="out"),
                Query(expr=f"sum (rate(haproxy_frontend_bytes_in_total{{{API}}}[$__rate_interval]))", legend="in"),
            ),
            low=0,
        ),
        Panel(
            title="Public path",
            about="Time of the probe that goes the way clients go.",
            unit="s",
            queries=(Query(expr='probe_duration_seconds{job="blackbox"}', legend="{{instance}}"),),
            low=0,
            runbooks=("PublicPathDown", "PublicPathSlow"),
        ),
    )


def _room() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Waiting in the gateway",
            about="Requests for which their engine has no place yet.",
            queries=(Query(expr="slm:gateway_requests_waiting", legend="{{engine}}"),),
            low=0,
            runbooks=("QueueWaitLong",),
        ),
        Panel(
            title="Time in the queue",
            about="The mean of the last 1024 requests, and how long the next one waits by the queue's length.",
            unit="s",
            queries=(
                Query(expr="slm:queue_seconds:mean", legend="{{engine}} mean"),
                Query(expr="slm:queue_wait_seconds", legend="{{engine}} next"),
                Query(expr="slm:queue_limit_seconds", legend="refused after"),
            ),
            low=0,
            runbooks=("QueueWaitLong",),
        ),
        Panel(
            title="Connections in use",
            about="Of those it may have. Further clients wait in the kernel.",
            unit="percentunit",
            queries=(
                Query(
                    expr=f"haproxy_frontend_current_sessions{{{API}}} / haproxy_frontend_limit_sessions{{{API}}}",
                    legend="{{instance}}",
                ),
            ),
            steps=below(0.6, 0.8),
            low=0,
            high=1,
            runbooks=("GatewayConnectionsNearlyFull",),
        ),
    )


def _keys() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Requests by key",
            about="Names of keys, never the keys.",
            unit="reqps",
            queries=(Query(expr="sum by (key) (slm:key_requests:rate5m)", legend="{{key}}"),),
            low=0,
            stacked=True,
        ),
        Panel(
            title="Tokens by key",
            about="A second, of answers that tell them: most streams do not.",
            unit="cps",
            queries=(Query(expr="sum by (key, direction) (slm:key_tokens:rate5m)", legend="{{key}} {{direction}}"),),
            low=0,
        ),
        Panel(
            title="Refusals by key",
            about="From the log. 429 is a limit of that key. Without a name: a wrong key or none.",
            unit="cps",
            logs=True,
            queries=(
                Query(
                    expr=f"sum by (key, status) (rate({LINES} | status >= 400 | status < 500 [5m]))",
                    legend="{{key}} {{status}}",
                ),
            ),
            low=0,
            runbooks=("GatewayRefusesMany",),
        ),
        Panel(
            title="Bytes out by key",
            about="From the log: how much text each key gets.",
            unit="Bps",
            logs=True,
            queries=(
                Query(expr=f'sum by (key) (rate({LINES} | key != "-" | unwrap bytes_out [5m]))', legend="{{key}}"),
            ),
            low=0,
        ),
        Panel(
            title="Age of keys",
            about="Since each was made; from the line on it is an alert. Keys of unknown age are in the panel beside.",
            unit="dtdurations",
            queries=(
                Query(expr="slm:key_age_seconds", legend="{{key}}"),
                Query(expr="slm:key_max_age_seconds", legend="to be replaced from"),
            ),
            low=0,
            runbooks=("ApiKeyOld",),
        ),
        Panel(
            title="Keys of unknown age",
            about="Made before dates were kept, or put into the configuration by hand.",
            shape="stat",
            queries=(Query(expr='slm:key_info{age="unknown"}', legend="{{key}}", now=True),),
            steps=GOOD_UNTIL_ZERO,
            runbooks=("ApiKeyOld",),
        ),
    )
