"""One API, whatever the engine: every check of tests/conformance against every engine, through the gateway."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from components.settings import load
from tests.conformance import CHECKS, Target
from tests.docker.project import PROJECT, Project

# Whichever test is first waits for all engines, and for the conversion of their weights.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]

SETTINGS = load("engines", PROJECT, {})
LARGE_ENOUGH = 300_000_000


@pytest.fixture(scope="module", params=list(SETTINGS.hosted))
def target(request: pytest.FixtureRequest, engines: Project) -> Iterator[Target]:
    """One engine of the stack."""
    engine, model = SETTINGS.hosted[request.param], SETTINGS.model_of(request.param)
    made = Target(
        endpoint=engines.endpoint,
        key=list(engines.keys().values())[-1],
        model=engine.served_name,
        capabilities=engine.capabilities,
        context=getattr(engine, "context_length", model.context_length),
        concurrency=engine.concurrency,
        talks="chat" in model.capabilities and model.parameters > LARGE_ENOUGH,
        body_kib=SETTINGS.gateway.limits.body_kib,
    )
    yield made
    made.close()


@pytest.mark.parametrize("check", CHECKS)
def test_every_engine_does_alike(target: Target, check: str) -> None:
    CHECKS[check](target)
