"""The gateway's settings: what is refused, and in which words (numbers: bad-config list of the security reference)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.gateway import Gateway, Limits, Tls
from components.gateway.limits import BASE_MIB, MAX_BODY_KIB

pytestmark = pytest.mark.unit

TLS = {"certificate": "gateway-cert", "key": "gateway-key"}


def refused(**settings: Any) -> str:
    """What the user reads when these settings are refused."""
    with pytest.raises(ValidationError) as caught:
        Gateway.model_validate({"target": "local"} | settings)
    return str(caught.value)


def test_the_defaults_are_local_small_and_valid() -> None:
    gateway = Gateway(target="local")
    assert (gateway.bind, gateway.port, gateway.origins, gateway.tls) == ("127.0.0.1", 8080, (), None)
    assert gateway.hosts == ("localhost", "127.0.0.1")
    assert gateway.limits.body_kib == 1024
    assert gateway.limits.memory_mib <= gateway.memory_mib


@pytest.mark.parametrize("switch", ["auth", "authentication", "require_key", "anonymous"])
def test_19_authentication_has_no_off_switch(switch: str) -> None:
    message = refused(**{switch: False})
    assert f"'{switch}'" in message
    assert "always asks for an API key" in message


@pytest.mark.parametrize("port", [0, 70000, -1, "8000a", "8080", 8080.5, True, None])
def test_21_a_port_is_a_whole_number_from_1_to_65535(port: object) -> None:
    assert "1-65535" in refused(port=port)


@pytest.mark.parametrize("port", [80, 443, 1023])
def test_22_the_gateway_may_have_a_privileged_port(port: int) -> None:
    assert Gateway(target="local", port=port).port == port


@pytest.mark.parametrize("bind", ["0.0.0.0", "192.168.1.10", "::", "203.0.113.7"])
def test_24_leaving_the_machine_without_tls_is_refused(bind: str) -> None:
    message = refused(bind=bind)
    assert "TLS is required" in message
    assert bind in message
    assert Gateway.model_validate({"target": "local", "bind": bind, "tls": TLS}).bind == bind


@pytest.mark.parametrize("bind", ["127.0.0.1", "127.0.0.53", "::1"])
def test_24_loopback_needs_no_tls(bind: str) -> None:
    assert Gateway(target="local", bind=bind).tls is None


def test_24_a_bind_address_that_is_a_name_is_refused() -> None:
    assert "not an IP address" in refused(bind="localhost")


@pytest.mark.parametrize("minimum", ["1.0", "1.1"])
def test_25_old_tls_is_refused(minimum: str) -> None:
    assert "minimum 1.2" in refused(tls=TLS | {"minimum": minimum})


@pytest.mark.parametrize("missing", ["certificate", "key"])
def test_26_a_certificate_and_its_key_come_together(missing: str) -> None:
    message = refused(tls={k: v for k, v in TLS.items() if k != missing})
    assert f"'{missing}' is missing" in message
    assert "give exactly one" in message


def test_26_a_private_key_in_the_file_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValidationError) as caught:
        Tls(certificate="cert", key="-----BEGIN PRIVATE KEY-----\nMIIsecret")
    assert "name of a secret" in caught.value.errors()[0]["msg"]
    assert "MIIsecret" not in caught.value.errors()[0]["msg"]


@pytest.mark.parametrize("origin", ["*", "https://*.example.com"])
def test_27_any_origin_is_refused(origin: str) -> None:
    assert "list exact origins" in refused(origins=[origin])


@pytest.mark.parametrize(
    "origin", ["example.com", "https://a/b", "https://a/", "ftp://a", "null", "https://A", "https://a\n"]
)
def test_27_what_is_no_origin_is_refused(origin: str) -> None:
    assert "is not an origin" in refused(origins=[origin])


def test_27_exact_origins_are_accepted() -> None:
    origins = ("https://chat.example.com", "http://localhost:3000", "http://[::1]:3000")
    assert Gateway(target="local", origins=origins).origins == origins


@pytest.mark.parametrize("field", ["requests_per_minute", "concurrent_requests"])
@pytest.mark.parametrize("value", [0, -1])
def test_28_a_limit_that_is_not_above_zero_is_refused(field: str, value: int) -> None:
    assert "> 0 required" in refused(limits={field: value})


@pytest.mark.parametrize("value", [None, True, 1.5, "many"])
def test_28_a_limit_that_is_no_whole_number_is_refused(value: object) -> None:
    assert "is not a whole number" in refused(limits={"requests_per_minute": value})


@pytest.mark.parametrize("kib", [0, -5, MAX_BODY_KIB + 1])
def test_29_a_body_limit_outside_its_range_is_refused(kib: int) -> None:
    assert "outside 1-102400 (100 MiB)" in refused(limits={"body_kib": kib})


def test_29_a_body_limit_of_100_mib_is_accepted_when_memory_allows() -> None:
    limits = Limits(body_kib=MAX_BODY_KIB, max_connections=4)
    assert Gateway(target="local", limits=limits, memory_mib=1024).limits == limits


@pytest.mark.parametrize("host", ["*", "localhost:8080", "LOCALHOST", "http://a", "a b", "", "a\n", "-a"])
def test_a_host_name_is_exact(host: str) -> None:
    assert "is not a host name" in refused(hosts=[host])


def test_no_host_name_at_all_is_refused() -> None:
    assert "list at least one" in refused(hosts=[])


def test_buffers_that_do_not_fit_into_memory_are_refused_with_the_numbers_and_two_ways_out() -> None:
    message = refused(limits={"body_kib": 20480})
    need = Limits(body_kib=20480).memory_mib
    assert f"need {need} MiB, the limit is 512 MiB" in message
    assert f"raise memory_mib to {need}" in message
    assert "lower limits.max_connections to 11" in message


def test_the_ways_out_the_message_names_are_ways_out() -> None:
    limits = Limits(body_kib=20480)
    assert Gateway(target="local", limits=limits, memory_mib=limits.memory_mib)
    assert Gateway(target="local", limits=Limits(body_kib=20480, max_connections=11))
    assert "lower limits.max_connections to 11" in refused(limits={"body_kib": 20480, "max_connections": 12})


@given(st.integers(1, MAX_BODY_KIB), st.integers(4, 64), st.integers(1, 20000))
def test_the_memory_that_limits_need_holds_two_full_buffers_for_each_connection(
    body: int, header: int, connections: int
) -> None:
    limits = Limits(body_kib=body, header_kib=header, max_connections=connections)
    assert limits.buffer_bytes > (body + header) * 1024
    assert limits.buffer_bytes < 256 * 2**20, "HAProxy refuses larger buffers"
    spare = limits.memory_mib * 2**20 - 2 * connections * limits.buffer_bytes
    assert BASE_MIB * 2**20 <= spare < (BASE_MIB + 1) * 2**20


def test_an_unknown_field_is_refused() -> None:
    assert "requests_per_second" in refused(limits={"requests_per_second": 3})
