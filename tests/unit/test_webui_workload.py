"""Open WebUI as a workload, the program that starts it, and the gateway's side of it."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from components.catalog import catalog
from components.gateway import Gateway, Route, inside_url, render
from components.webui import WebUi, start, workload
from components.workload import Workload

pytestmark = pytest.mark.unit

TLS = {"certificate": "page-cert", "key": "page-key"}
IMAGE = "sha256:" + "ab" * 32
ROUTE = Route(name="chat", model="m", host="chat", port=8000, concurrency=1, paths=(("POST", "/v1/chat/completions"),))


def made(**fields: Any) -> Workload:
    return workload(WebUi.model_validate({"target": "laptop", **fields}), "http://gateway:8080/v1", "m", IMAGE)


def gateway(**fields: Any) -> Gateway:
    return Gateway.model_validate({"target": "laptop", **fields})


def test_it_runs_as_nobody_special_and_writes_to_two_places() -> None:
    page = made()
    assert (page.user, page.egress) == (10001, False)
    assert [s.path for s in page.scratch] == ["/tmp"]
    assert [(v.path, v.read_only, v.keep) for v in page.volumes] == [("/data", False, True)]
    assert {"/data", "/tmp"} == set(catalog().images["webui"].writable)


def test_secrets_are_files_and_no_variable_or_argument() -> None:
    page = made(tls=TLS)
    files = {s.name: s.secret for s in page.secrets}
    assert files == {
        "api-key": "webui-api-key",
        "admin-password": "webui-admin-password",
        "secret-key": "webui-secret-key",
        "tls.pem": "page-cert",
        "tls.pem.key": "page-key",
    }
    assert set(start.VARIABLES) <= set(files)
    assert not set(start.VARIABLES.values()) & page.env.keys()


def test_it_is_ready_when_its_database_answers() -> None:
    plain, secured = made().probe, made(tls=TLS).probe
    assert plain is not None
    assert secured is not None
    assert "http://127.0.0.1:8080/ready" in plain.command[-1]
    assert "https://127.0.0.1:8080/ready" in secured.command[-1]


def test_the_drain_reaches_the_program_and_tls_only_when_it_is_on() -> None:
    assert made(drain_seconds=7).args == ("--port", "8080", "--drain", "7")
    assert made(tls={**TLS, "minimum": "1.3"}).args[-2:] == ("--tls", "1.3")


def test_the_tag_and_the_sites_build_are_the_same_version() -> None:
    row = catalog().images["webui"]
    assert row.tag == f"v{row.build_version}"
    assert row.too_old("0.9.4")


def test_secrets_reach_the_process_and_stay_out_of_its_first_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file, variable in start.VARIABLES.items():
        monkeypatch.delenv(variable, raising=False)
        (tmp_path / file).write_text(f"value of {file}\n")
    start.read_secrets(tmp_path)
    try:
        assert {v: os.environ[v] for v in start.VARIABLES.values()} == {
            variable: f"value of {file}" for file, variable in start.VARIABLES.items()
        }
        assert b"value of" not in Path("/proc/self/environ").read_bytes()
    finally:
        for variable in start.VARIABLES.values():
            os.environ.pop(variable, None)


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_it_does_not_start_without_a_secret(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for file, variable in start.VARIABLES.items():
        monkeypatch.setenv(variable, "from elsewhere")
        (tmp_path / file).write_text("x")
    if content is None:
        (tmp_path / "secret-key").unlink()
    else:
        (tmp_path / "secret-key").write_text(content)
    with pytest.raises(SystemExit) as ended:
        start.read_secrets(tmp_path)
    assert ended.value.code == start.EX_CONFIG
    assert "secret-key" in capsys.readouterr().err


@pytest.mark.parametrize(("word", "version"), [("1.2", ssl.TLSVersion.TLSv1_2), ("1.3", ssl.TLSVersion.TLSv1_3)])
def test_older_tls_than_asked_for_is_refused(word: str, version: ssl.TLSVersion) -> None:
    make = start.tls_context(word)
    context = make(uvicorn.Config("none:app"), lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    assert context.minimum_version == version


def test_the_gateway_answers_to_its_own_name_only_where_the_stack_calls_it() -> None:
    assert "-m str gateway\n" in render(gateway(), [ROUTE], called_inside=True)
    assert "-m str gateway\n" not in render(gateway(), [ROUTE])


def test_a_gateway_with_tls_has_a_plain_port_inside_and_only_for_the_page() -> None:
    plain, secured = gateway(), gateway(tls={"certificate": "c", "key": "k"})
    assert inside_url(plain) == "http://gateway:8080/v1"
    assert inside_url(secured) == "http://gateway:8081/v1"
    assert "bind :8081\n" in render(secured, [ROUTE], called_inside=True)
    assert "bind :8081" not in render(secured, [ROUTE])
    assert "bind :8081" not in render(plain, [ROUTE], called_inside=True)
