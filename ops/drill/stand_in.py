"""An exporter that says what the real one would say after a fault that no machine of other people may have (pure)."""

from __future__ import annotations

import shlex

REFUSED, CLOCK, CERTIFICATE = "/refused", "/clock", "/certificate"


def script(port: int, now: float) -> str:
    """A Bash script that serves it with HAProxy. `now` is in seconds since 1970."""
    pages = {
        CLOCK: ["node_timex_offset_seconds -0.2", "node_timex_sync_status 1", "node_timex_maxerror_seconds 0.3"],
        CERTIFICATE: [
            "probe_success 1",
            "probe_duration_seconds 0.01",
            f"probe_ssl_earliest_cert_expiry {now + 3600:.0f}",
        ],
    }
    lines = [
        "defaults",
        " mode http",
        " timeout client 5s",
        " timeout server 5s",
        " timeout connect 5s",
        "frontend exporter",
        f" bind :{port}",
        f" http-request return status 401 if {{ path {REFUSED} }}",
    ]
    for path, series in pages.items():
        # In HAProxy's double quotes a line end is written so.
        body = "\\n".join(series) + "\\n"
        lines.append(
            f' http-request return status 200 content-type "text/plain; version=0.0.4" string "{body}"'
            f" if {{ path {path} }}"
        )
    text = "\n".join(lines) + "\n"
    return f"printf %s {shlex.quote(text)} > /tmp/exporter.cfg; exec haproxy -db -f /tmp/exporter.cfg"
