"""Alerts about the way in: the gateway, its public path, its certificate and its keys (pure)."""

from __future__ import annotations

from components.monitoring.rules.rule import Alert, Group

API = 'job="gateway",proxy="api"'


def gateway_alerts() -> Group:
    """Everything that concerns all engines at once, because it concerns the way to them."""
    return Group(name="gateway-alerts", rules=(*_path(), *_room(), *_keys()))


def _path() -> tuple[Alert, ...]:
    expires = 'probe_ssl_earliest_cert_expiry{job="blackbox"} - time()'
    return (
        Alert(
            name="GatewayDown",
            expr='(up{job="gateway"} == 0) or absent(up{job="gateway"})',
            wait="1m",
            severity="critical",
            summary="The gateway does not answer Prometheus: most likely nobody reaches any engine",
        ),
        Alert(
            name="PublicPathDown",
            expr='probe_success{job="blackbox"} == 0',
            wait="2m",
            severity="critical",
            summary="{{ $labels.instance }} cannot be reached the way clients reach it",
        ),
        Alert(
            name="PublicPathSlow",
            expr='probe_duration_seconds{job="blackbox"} > 1',
            wait="10m",
            severity="warning",
            summary="{{ $labels.instance }} takes {{ $value | humanizeDuration }} to answer without any engine",
        ),
        Alert(
            name="CertificateExpires",
            expr=f"{expires} < 14 * 86400",
            wait="1h",
            severity="warning",
            summary="The certificate of {{ $labels.instance }} ends in {{ $value | humanizeDuration }}",
        ),
        Alert(
            name="CertificateExpiresNow",
            expr=f"{expires} < 3 * 86400",
            wait="10m",
            severity="critical",
            summary="The certificate of {{ $labels.instance }} ends in {{ $value | humanizeDuration }}",
            runbook="CertificateExpires",
        ),
    )


def _room() -> tuple[Alert, ...]:
    refused = f'sum (rate(haproxy_frontend_http_responses_total{{{API},code="4xx"}}[5m]))'
    answered = f"sum (rate(haproxy_frontend_http_responses_total{{{API}}}[5m]))"
    sessions = f"max (haproxy_frontend_current_sessions{{{API}}} / haproxy_frontend_limit_sessions{{{API}}})"
    used = 'haproxy_sticktable_used{job="gateway",name="keys"} / haproxy_sticktable_size{job="gateway",name="keys"}'
    return (
        Alert(
            name="GatewayRefusesMany",
            expr=f"{refused} > 0.5 * {answered} and {refused} > 0.5",
            wait="10m",
            severity="warning",
            summary="The gateway refuses {{ $value | humanize }} requests a second, more than half of all",
        ),
        Alert(
            name="GatewayConnectionsNearlyFull",
            expr=f"{sessions} > 0.8",
            wait="5m",
            severity="warning",
            summary="{{ $value | humanizePercentage }} of the connections the gateway may have are open",
        ),
        Alert(
            name="GatewayKeyTableNearlyFull",
            expr=f"max ({used}) > 0.9",
            wait="5m",
            severity="warning",
            summary="The gateway's table of keys and their requests is {{ $value | humanizePercentage }} full",
        ),
    )


def _keys() -> tuple[Alert, ...]:
    return (
        Alert(
            name="ApiKeyOld",
            expr="slm:key_age_seconds > on () group_left () slm:key_max_age_seconds",
            wait="1h",
            severity="warning",
            summary="API key {{ $labels.key }} was made {{ $value | humanizeDuration }} ago",
        ),
        Alert(
            name="ApiKeyAgeUnknown",
            expr='slm:key_info{age="unknown"} == 1',
            wait="1h",
            severity="info",
            summary="Nobody wrote down when API key {{ $labels.key }} was made",
            runbook="ApiKeyOld",
        ),
    )
