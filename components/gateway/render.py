"""The gateway's HAProxy configuration, from settings and routes (pure)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from components.gateway.balance import PREFIX_HEADER, prefix_digest, prefix_sources
from components.gateway.demand import WANTED_SECONDS, demand_path
from components.gateway.errors import REFUSAL_HEADER, Refusal, quote, refusals
from components.gateway.fields import BYTES_PER_TOKEN, RULES, rules_for, too_long
from components.gateway.log import CONTENTS_BYTES, error_log_format, line_bytes, log_format
from components.gateway.route import Route, check
from components.gateway.settings import Gateway
from components.workload import FILES_DIRECTORY

PORT = 8080
"""Where the gateway listens inside its container; the only port a target may publish."""

NAME = "gateway"
"""The workload's name, which is its host name for other workloads of the stack."""

PLAIN_PORT = 8081
"""The same interface without TLS for workloads of the stack, which reach it by a name no certificate has."""

INTERNAL_PORT = 8404
"""`/metrics` and `/healthz`, without a key: never published."""

DOCKER_RESOLVER = "127.0.0.11:53"
_RESOLVER = re.compile(r"([0-9]{1,3}(\.[0-9]{1,3}){3}|\[[0-9a-f:.]+\]):[0-9]{1,5}")
RELOAD_GRACE_SECONDS = 1800
METRICS_CONNECTIONS = 32

KEPT_HEADERS = (
    "host",
    "content-type",
    "content-length",
    "transfer-encoding",
    "accept",
    "user-agent",
    "traceparent",
    "tracestate",
    "anthropic-version",
    "anthropic-beta",
)
"""Request headers an engine gets from a client. Accept-Encoding is not one: a compressed stream would be held back."""


def render(
    gateway: Gateway,
    routes: Sequence[Route],
    resolver: str | None = DOCKER_RESOLVER,
    *,
    called_inside: bool = False,
    log_contents: bool = False,
) -> str:
    """haproxy.cfg for HAProxy 2.6 and later.

    `resolver` is the name server, `host:port`, that knows the engines' names, None for those of /etc/resolv.conf; they
    are looked up again every second, so an engine may be started later than the gateway and may move. GET paths of
    engines (which carry no model) go to the first route that lists them; `/v1/models` is answered by the gateway.
    `called_inside`: a workload of the stack calls it as well, by its name and, where the published port has TLS, on
    PLAIN_PORT. Should a body have two `model` fields, the first decides. `log_contents`: prompts and answers are
    written to the log, which somebody must have asked for.

    Raises ValueError when there is no route, when two of them have the same name or model, or when `resolver` is no
    address.
    """
    check(routes)
    if resolver is not None and not _RESOLVER.fullmatch(resolver):
        raise ValueError(
            f"'{resolver}' is not a name server's address; give it as host:port, such as {DOCKER_RESOLVER}"
        )
    limits = gateway.limits
    errors = refusals(
        limits.body_kib,
        limits.header_kib,
        limits.requests_per_minute,
        limits.concurrent_requests,
        limits.client_seconds,
    )
    return _template().render(
        limits=limits,
        hosts=(*gateway.hosts, NAME) if called_inside else gateway.hosts,
        origins=gateway.origins,
        routes=routes,
        errors=errors,
        fallbacks=[errors[status] for status in ("400", "408", "500", "502", "503", "504")],
        resolver=resolver,
        port=PORT,
        internal_port=INTERNAL_PORT,
        plain_port=PLAIN_PORT if called_inside and gateway.tls else None,
        metrics_connections=METRICS_CONNECTIONS,
        reload_grace=RELOAD_GRACE_SECONDS,
        threads=max(1, math.ceil(gateway.cpus)),
        tls=_tls(gateway),
        keys_map=f"{FILES_DIRECTORY}/keys.map",
        log_format=log_format(contents=log_contents),
        error_log_format=error_log_format(),
        log_bytes=line_bytes(contents=log_contents),
        log_contents=log_contents,
        contents_bytes=CONTENTS_BYTES,
        refusal_header=REFUSAL_HEADER,
        kept_headers="|".join(KEPT_HEADERS),
        posts=sorted({path for r in routes for method, path in r.paths if method == "POST"}),
        gets=_gets(routes),
        model_list=quote(json.dumps({"object": "list", "data": [_model(m) for r in routes for m in r.models]})),
        model_pages=[(m, quote(json.dumps(_model(m)))) for r in routes for m in r.models],
        unknown_model=_unknown_model(routes),
        rules=[rule for rule in RULES if not rule.capability],
        rules_for=rules_for,
        too_long=too_long,
        balance=gateway.balance,
        prefix_header=PREFIX_HEADER,
        prefix_sources=prefix_sources(),
        prefix_digest=prefix_digest(),
        demand_path=demand_path,
        wanted_seconds=WANTED_SECONDS,
        bytes_per_token=BYTES_PER_TOKEN,
    )


def inside_url(gateway: Gateway) -> str:
    """Where workloads of the stack find the gateway's interface, ending in /v1."""
    return f"http://{NAME}:{PLAIN_PORT if gateway.tls else PORT}/v1"


def _gets(routes: Sequence[Route]) -> list[tuple[str, str]]:
    """Each GET path and the route that answers it, without the paths the gateway answers itself."""
    owners: dict[str, str] = {}
    for route in routes:
        for method, path in route.paths:
            if method == "GET" and not f"{path}/".startswith("/v1/models/"):
                owners.setdefault(path, route.name)
    return sorted(owners.items())


def _model(model: str) -> dict[str, Any]:
    # When a model was made is not known here; clients require the field and nobody reads it.
    return {"id": model, "object": "model", "created": 0, "owned_by": "slm"}


def _unknown_model(routes: Sequence[Route]) -> str:
    deployed = ", ".join(m for r in routes for m in r.models)
    refusal = Refusal(404, "model_not_found", f"ASKED is not deployed here; deployed: {deployed}", param="model")
    asked = "%[var(txn.model),bytes(0,100),json(utf8s)]"
    return refusal.deny_formatted(refusal.body.replace("%", "%%").replace("ASKED", asked, 1))


def _tls(gateway: Gateway) -> str:
    if gateway.tls is None:
        return ""
    # HAProxy finds the key as the certificate's name with .key appended.
    return f" ssl crt {FILES_DIRECTORY}/tls.pem ssl-min-ver TLSv{gateway.tls.minimum} alpn http/1.1"


@cache
def _template() -> Template:
    here = FileSystemLoader(Path(__file__).parent)
    # The result is no HTML; what goes into it is checked by the settings' patterns and by `quote`.
    environment = Environment(loader=here, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701
    return environment.get_template("haproxy.cfg.j2")
