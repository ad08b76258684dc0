"""The blackbox exporter: calls the gateway as a client without a key would, on the path that clients take (pure)."""

from __future__ import annotations

from typing import Any

import yaml

from components.gateway import Gateway
from components.gateway.render import PORT as GATEWAY_PORT
from components.monitoring.probe import http_probe
from components.workload import FILES_DIRECTORY, File, Image, Resources, Workload

NAME = "blackbox"
PORT = 9115
MODULE = "gateway_asks_for_a_key"


def workload(gateway: Gateway, image: Image) -> Workload:
    """The exporter with the one way it calls."""
    return Workload(
        name=NAME,
        image=image,
        args=(
            f"--config.file={FILES_DIRECTORY}/blackbox.yml",
            f"--web.listen-address=0.0.0.0:{PORT}",
            "--log.level=warn",
        ),
        files=(File(name="blackbox.yml", content=configuration(gateway)),),
        port=PORT,
        probe=http_probe(PORT, "/-/healthy"),
        resources=Resources(memory_mib=64, cpus=0.25, pids=64),
        reload_signal="SIGHUP",
    )


def configuration(gateway: Gateway) -> str:
    """Its configuration file: a call without a key must be answered by 401, with TLS where clients have it."""
    http: dict[str, Any] = {
        "valid_status_codes": [401],
        # The gateway answers to the names it was given, and inside the stack it is called by another one.
        "headers": {"Host": gateway.hosts[0]},
        "follow_redirects": False,
        "preferred_ip_protocol": "ip4",
    }
    if gateway.tls:
        # The certificate is of the outside name. Whether it is valid there is the clients' to see; its end is watched.
        http |= {"fail_if_not_ssl": True, "tls_config": {"insecure_skip_verify": True}}
    return yaml.safe_dump({"modules": {MODULE: {"prober": "http", "timeout": "5s", "http": http}}}, sort_keys=False)


def probed(gateway: Gateway, host: str) -> str:
    """The address it calls; `host` is the gateway's name inside the stack."""
    return f"{'https' if gateway.tls else 'http'}://{host}:{GATEWAY_PORT}/v1/models"
