"""Where clients find a gateway, and where its operator finds what an engine says."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.settings import load
from ops.place import endpoint_of
from ops.smoke.suite import logs_of

pytestmark = pytest.mark.unit
PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("stack", "endpoint", "logs"),
    [
        ("dev", "http://127.0.0.1:8080/v1", "docker logs slm-dev-ENGINE"),
        ("prod", "https://slm.example.com/v1", "kubectl logs -n slm -l app.kubernetes.io/name=ENGINE"),
    ],
)
def test_each_target_has_its_own_way_in_and_its_own_logs(stack: str, endpoint: str, logs: str) -> None:
    settings = load(stack, PROJECT, {})
    assert endpoint_of(settings, stack) == endpoint
    assert logs_of(settings, stack) == logs
