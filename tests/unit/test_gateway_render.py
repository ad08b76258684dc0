"""The rendered HAProxy configuration and the workload around it."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.gateway import Gateway, Limits, Route, Tls, render, workload
from components.gateway.errors import quote, refusals
from components.gateway.render import KEPT_HEADERS

pytestmark = pytest.mark.unit

IMAGE = "sha256:" + "0" * 64
CHAT = ("POST", "/v1/chat/completions")


def route(name: str = "chat", model: str = "qwen", **more: object) -> Route:
    """A route with what most tests do not care about."""
    fields = {"name": name, "model": model, "host": name, "port": 11434, "concurrency": 2, "paths": (CHAT,)}
    return Route.model_validate(fields | more)


def local(**more: object) -> Gateway:
    """A gateway with defaults."""
    return Gateway.model_validate({"target": "local"} | more)


MODELS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,40}", fullmatch=True)
NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
ROUTES = st.lists(
    st.builds(route, NAMES, MODELS, concurrency=st.integers(1, 64)),
    min_size=1,
    max_size=6,
    unique_by=(lambda r: r.name, lambda r: r.model),
)


@given(ROUTES)
def test_every_engine_gets_one_backend_that_only_its_model_leads_to(routes: list[Route]) -> None:
    config = render(local(), routes)
    assert re.findall(r"^backend engine-(.*)$", config, re.M) == [r.name for r in routes]
    for r in routes:
        assert f"    acl to_{r.name} var(txn.model) -m str {r.model}\n" in config
        assert f"    use_backend engine-{r.name} if post to_{r.name}\n" in config
        assert f"    server {r.name} {r.host}:{r.port} maxconn {r.concurrency}\n" in config


@given(ROUTES)
def test_the_list_of_models_is_what_is_deployed(routes: list[Route]) -> None:
    answer = re.search(r"string '(\{\"object\": \"list\".*)' if get models", render(local(), routes))
    assert answer
    assert [m["id"] for m in json.loads(answer[1])["data"]] == [r.model for r in routes]


@given(ROUTES)
def test_rendering_is_pure(routes: list[Route]) -> None:
    assert render(local(), routes) == render(local(), routes)


@given(ROUTES)
def test_no_line_has_more_words_than_haproxy_reads(routes: list[Route]) -> None:
    for line in render(local(), routes).splitlines():
        assert len(re.findall(r"'[^']*'|\S+", line)) <= 64, line


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", "a'b"),
        ("model", "a b"),
        ("model", "a\nb"),
        ("model", "%[env(HOME)]"),
        ("model", ""),
        ("host", "a b"),
        ("host", "a\nserver x"),
        ("name", "a_b"),
        ("port", 0),
        ("concurrency", 0),
        ("paths", ()),
        ("paths", (("GET", "/x"),)),
        ("paths", (("DELETE", "/x"),)),
        ("paths", (("POST", "/v1/../x"),)),
        ("paths", (("POST", "//x"),)),
        ("paths", (("POST", "/x y"),)),
        ("paths", (("POST", "/x%2fy"),)),
        ("paths", (("POST", "x"),)),
        ("live", "/x?y"),
    ],
)
def test_a_route_that_could_change_the_configuration_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        route(**{field: value})


def test_no_route_is_refused() -> None:
    with pytest.raises(ValueError, match="add one under slm:engines"):
        render(local(), [])


def test_two_engines_with_one_model_are_refused_by_its_name() -> None:
    with pytest.raises(ValueError, match="share the model 'qwen'"):
        render(local(), [route("a"), route("b")])


def test_two_engines_with_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="share the name 'a'"):
        render(local(), [route("a", "x"), route("a", "y")])


@pytest.mark.parametrize("resolver", ["dns", "127.0.0.11", "127.0.0.11:53\nuser root", "kube-dns:53"])
def test_a_resolver_that_is_no_address_is_refused(resolver: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        render(local(), [route()], resolver)


def test_the_resolver_is_the_one_given() -> None:
    assert "nameserver site 10.0.0.10:53\n" in render(local(), [route()], "10.0.0.10:53")


def test_get_paths_go_to_the_first_engine_that_has_them_and_the_gateway_keeps_its_own() -> None:
    gets = (CHAT, ("GET", "/api/tags"), ("GET", "/v1/models"))
    config = render(local(), [route("a", "x", paths=gets), route("b", "y", paths=gets)])
    assert config.count("/api/tags") == 2, "once in the allowlist, once to choose the engine"
    assert "use_backend engine-a if get { path -m str /api/tags }" in config
    assert "use_backend engine-a if get { path -m str /v1/models }" not in config


def test_an_engine_is_not_asked_for_a_path_that_only_another_one_serves() -> None:
    config = render(local(), [route("a", "x"), route("b", "y", paths=(("POST", "/v1/embeddings"),))])
    assert "acl served_by_a path -m str /v1/chat/completions" in config
    assert "acl served_by_a path -m str /v1/embeddings" not in config
    assert "if post to_a !served_by_a" in config


def test_limits_reach_the_configuration() -> None:
    limits = Limits(
        requests_per_minute=7,
        concurrent_requests=3,
        body_kib=100,
        header_kib=8,
        max_connections=50,
        queue_seconds=11,
        queue_length=13,
        response_seconds=17,
        client_seconds=19,
        check_seconds=23,
    )
    config = render(local(limits=limits), [route(concurrency=5)])
    for line in (
        "{ sc_gpc0_rate(0) ge 7 }",
        "{ sc_conn_cur(0) gt 3 }",
        "{ req.body_size gt 102400 }",
        "{ req.hdrs,length gt 8192 }",
        "maxconn 50\n",
        "timeout queue 11s\n",
        "{ be_conn gt 18 }",
        "timeout server 17s\n",
        "timeout http-request 19s\n",
        "wait-for-body time 19s if post",
        "inter 23s",
        f"tune.bufsize {limits.buffer_bytes}\n",
    ):
        assert line in config, line


def test_45_only_listed_hosts_and_origins_are_in_the_configuration() -> None:
    config = render(local(hosts=["slm.example"], origins=["https://ui.example"]), [route()])
    assert re.findall(r"acl host_ok .* -m str (\S+)", config) == ["slm.example"]
    assert re.findall(r"acl origin_ok .* -m str (\S+)", config) == ["https://ui.example"]
    assert "Access-Control-Allow-Origin *" not in config


def test_45_without_origins_there_is_no_cors_at_all() -> None:
    config = render(local(), [route()])
    assert "Access-Control-Allow" not in config
    assert "method OPTIONS" not in config


@pytest.mark.parametrize(
    "header", ["authorization", "x-api-key", "cookie", "forwarded", "x-forwarded-for", "x-real-ip"]
)
def test_46_headers_that_carry_trust_or_secrets_are_not_among_those_an_engine_sees(header: str) -> None:
    assert header not in KEPT_HEADERS


def test_requests_are_only_tried_again_when_no_connection_came_about() -> None:
    assert re.findall(r"retry-on (.*)", render(local(), [route()])) == ["conn-failure"]


def test_nothing_but_the_key_id_of_the_key_and_no_query_is_logged() -> None:
    logged = re.findall(r"^ +(?:error-)?log-format (.*)$", render(local(), [route()]), re.M)
    assert len(logged) == 2
    for line in logged:
        assert not re.search(r"%r|%HQ|%HU|%hr|%hs|query|body|authorization|capture", line), line


def test_every_refusal_is_an_openai_error() -> None:
    for refusal in refusals(1, 2, 3, 4, 5).values():
        error = json.loads(refusal.body)["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["message"].endswith(".")
        assert "'" not in refusal.body, "it stands between single quotes"


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_every_refusal_that_passes_by_itself_says_when_to_try_again(status: int) -> None:
    found = [r for r in refusals(1, 2, 3, 4, 5).values() if r.status == status]
    assert found
    assert all(r.retry_after for r in found)


@pytest.mark.parametrize("text", ["it's", "a\nb", "\0"])
def test_text_that_would_end_the_quotes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        quote(text)


def test_tls_is_on_the_public_port_with_its_minimum() -> None:
    tls = Tls(certificate="cert", key="cert-key", minimum="1.3")
    config = render(local(tls=tls, bind="0.0.0.0"), [route()])
    assert "bind :8080 ssl crt /etc/slm/tls.pem ssl-min-ver TLSv1.3 alpn http/1.1\n" in config
    assert "bind :8404\n" in config


def test_the_workload_has_its_files_and_names_its_secrets() -> None:
    made = workload(local(tls=Tls(certificate="cert", key="cert-key"), cpus=2, memory_mib=700), [route()], IMAGE)
    assert [f.name for f in made.files] == ["haproxy.cfg"]
    assert {s.name: s.secret for s in made.secrets} == {
        "keys.map": "gateway-keys",
        "tls.pem": "cert",
        "tls.pem.key": "cert-key",
    }
    assert (made.port, made.reload_signal, made.drain) == (8080, "SIGUSR2", 30)
    assert (made.resources.memory_mib, made.resources.cpus) == (700, 2)
    assert not made.egress
    assert not made.volumes
    assert not made.scratch


def test_changed_routes_change_a_file_and_nothing_else_so_that_no_container_is_replaced() -> None:
    one = workload(local(), [route()], IMAGE)
    two = workload(local(), [route(), route("b", "y")], IMAGE)
    assert one.model_dump(exclude={"files"}) == two.model_dump(exclude={"files"})
    assert one.files != two.files
