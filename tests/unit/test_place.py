"""Where clients find a gateway, and where its operator finds what an engine says."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.settings import load
from components.targets.docker.container import Names
from components.targets.placement import Exposure
from ops.place import endpoint_of
from ops.smoke.suite import logs_of

pytestmark = pytest.mark.unit
PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("stack", "endpoint", "logs"),
    [
        ("dev", "http://127.0.0.1:8080/v1", "docker logs slm-dev-ENGINE"),
        ("edge.berlin-1", "https://192.0.2.11:8443/v1", "ssh slm@192.0.2.11 docker logs slm-edge.berlin-1-ENGINE"),
        ("prod", "https://slm.example.com/v1", "kubectl logs -n slm -l app.kubernetes.io/name=ENGINE"),
    ],
)
def test_each_target_has_its_own_way_in_and_its_own_logs(stack: str, endpoint: str, logs: str) -> None:
    settings = load(stack, PROJECT, {})
    assert endpoint_of(settings, stack) == endpoint
    assert logs_of(settings, stack) == logs


@pytest.mark.parametrize(
    ("bind", "host", "outside"),
    [
        ("127.0.0.1", None, "127.0.0.1:8443"),
        ("0.0.0.0", None, "0.0.0.0:8443"),
        ("192.0.2.11", "edge.example.org", "192.0.2.11:8443"),
        ("0.0.0.0", "edge.example.org", "edge.example.org:8443"),
        ("::", "2001:db8::1", "[2001:db8::1]:8443"),
    ],
)
def test_a_gateway_on_all_addresses_of_another_machine_is_found_by_the_name_that_is_known(
    bind: str, host: str | None, outside: str
) -> None:
    assert Names("edge.h1", host).outside(Exposure(bind, 8443)) == outside
