"""Random requests made from the ONNX server's own OpenAPI document: no fault, and every answer in a declared form.

It needs no container, but it takes longer than the quick tests may.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.unit.onnx_harness import MODEL, metric, serving

pytestmark = pytest.mark.docker

OPERATIONS = 10
ANSWERABLE = {
    *("model", "messages", "prompt", "max_tokens", "temperature", "top_p", "top_k", "seed", "stop", "stream", "tools"),
    "response_format",
}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(parallel=4, context_length=512) as (found, _):
        yield found


def test_the_document_names_every_operation(address: str) -> None:
    paths = httpx.get(f"{address}/openapi.json", timeout=60).json()["paths"]
    assert sum(len(operations) for operations in paths.values()) == OPERATIONS


def test_random_requests_find_no_fault(address: str) -> None:
    document = schemathesis.openapi.from_url(f"{address}/openapi.json")
    checked = 0
    for found in document.get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy())
        @settings(max_examples=80, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        def ask(case: schemathesis.Case) -> None:
            # A random name is never the model's, and then nothing behind that check is reached.
            if isinstance(case.body, dict) and "model" in case.body:
                case.body["model"] = MODEL
                if len(str(case.body)) % 2:
                    # Nearly every random request breaks some rule between fields; half of them shall get further.
                    case.body = {key: value for key, value in case.body.items() if key in ANSWERABLE}
            checks = [
                not_a_server_error,
                status_code_conformance,
                content_type_conformance,
                response_schema_conformance,
            ]
            case.call_and_validate(checks=checks, timeout=120)

        ask()
        checked += 1
    assert checked == OPERATIONS
    answered = sum(metric(address, f'slm_onnx_requests_total{{outcome="{end}"}}') for end in ("stop", "length"))
    assert answered > 40, answered
    assert httpx.get(f"{address}/ready", timeout=60).status_code == 200
