"""An endpoint that someone else runs: what its settings accept, and what the gateway is told of it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from components.engines.external import External
from components.gateway import Gateway, render, workload
from components.gateway.upstream import key_file
from components.routes import route_outside

pytestmark = pytest.mark.unit

IMAGE = "sha256:" + "0" * 64
URL = "https://models.example.com/openai/v1"


def external(**changes: Any) -> External:
    given = {"kind": "external", "target": "local", "url": URL, "model": "Phi-4-mini-instruct"}
    return External.model_validate(given | changes)


def config(**changes: Any) -> str:
    return render(Gateway(target="local"), [route_outside("cloud", external(**changes))])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("ca")
    made = ["-keyout", str(folder / "key"), "-out", str(folder / "cert"), "-subj", "/CN=x", "-days", "2"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *made]
    subprocess.run(command, check=True, capture_output=True)
    return (folder / "cert").read_text()


@pytest.mark.parametrize(
    ("url", "host", "port", "prefix"),
    [
        (URL, "models.example.com", 443, "/openai"),
        ("https://models.example.com:8443/v1/", "models.example.com", 8443, ""),
        ("http://host.docker.internal:5273/v1", "host.docker.internal", 5273, ""),
        ("http://192.168.1.20:8080/v1", "192.168.1.20", 8080, ""),
        ("http://10.0.0.5/v1", "10.0.0.5", 80, ""),
    ],
)
def test_an_address_is_taken_apart(url: str, host: str, port: int, prefix: str) -> None:
    engine = external(url=url)
    assert (engine.host, engine.port, engine.prefix) == (host, port, prefix)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://models.example.com/v1", "readably through the internet"),
        ("http://8.8.8.8/v1", "readably through the internet"),
        ("https://models.example.com", "does not end in /v1"),
        ("https://models.example.com/v1/chat/completions", "does not end in /v1"),
        ("https://u:secret@models.example.com/v1", "would be committed"),
        ("https://169.254.169.254/v1", "machines' own services"),
        ("https://0.0.0.0/v1", "machines' own services"),
        ("http://localhost:5273/v1", "write host.docker.internal"),
        ("http://127.0.0.1:5273/v1", "write host.docker.internal"),
        ("ftp://models.example.com/v1", "not the address"),
        ("https://models.example.com/v1?key=1", "not the address"),
        ("https://models example.com/v1", "not the address"),
    ],
)
def test_an_address_that_cannot_be_trusted_or_reached_is_refused_with_the_reason(url: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words) as refused:
        external(url=url)
    assert "secret" not in str(refused.value.errors()[0]["msg"]).replace("secret in key_secret", "")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", "a b"),
        ("key_secret", "Not A Name"),
        ("capabilities", ("telepathy",)),
        ("capabilities", ("tools",)),
        ("concurrency", 0),
        ("health", "no/slash"),
        ("ca_certificates", "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n"),
    ],
)
def test_what_the_gateway_could_not_use_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        external(**{field: value})


def test_the_gateway_checks_the_certificate_and_sends_the_hosts_name() -> None:
    server = next(line for line in config().splitlines() if line.strip().startswith("server cloud"))
    assert "models.example.com:443 ssl verify required ca-file @system-ca verifyhost models.example.com" in server
    assert "sni str(models.example.com)" in server
    assert "http-request set-header Host models.example.com\n" in config()
    assert "http-request set-path /openai%[path]\n" in config()


def test_nothing_is_encrypted_or_rewritten_where_the_address_does_not_say_so() -> None:
    text = config(url="http://192.168.1.20:8080/v1")
    backend = text[text.index("backend engine-cloud") :]
    assert " ssl " not in backend
    assert "set-path" not in backend
    assert "http-request set-header Host 192.168.1.20:8080\n" in backend


def test_the_key_stands_in_a_file_and_never_in_the_configuration() -> None:
    made = workload(Gateway(target="local"), [route_outside("cloud", external(key_secret="cloud-key"))], IMAGE)
    assert {s.name: s.secret for s in made.secrets}["cloud.key"] == "bearer:cloud-key"
    (file,) = made.files
    assert file.content.count("authorization %[str(key),map(/etc/slm/cloud.key)]") == 2, "for requests and checks"
    assert key_file("abc\n", bearer=True) == "key Bearer abc\n"


def test_a_key_may_go_into_a_header_of_its_own() -> None:
    engine = external(key_secret="cloud-key", key_header="api-key")
    made = workload(Gateway(target="local"), [route_outside("cloud", engine)], IMAGE)
    assert {s.name: s.secret for s in made.secrets}["cloud.key"] == "plain:cloud-key"
    assert "set-header api-key %[" in made.files[0].content
    assert key_file("abc", bearer=False) == "key abc\n"


@pytest.mark.parametrize("content", ["", "a b", "a\nb", "ключ"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(content: str) -> None:
    with pytest.raises(ValueError, match="key of an external engine") as refused:
        key_file(content, bearer=True)
    assert not content or content not in str(refused.value)


def test_only_with_an_external_engine_the_gateway_may_go_out(certificate: str) -> None:
    made = workload(Gateway(target="local"), [route_outside("cloud", external(ca_certificates=certificate))], IMAGE)
    assert made.egress
    assert {f.name: f.content for f in made.files}["cloud-ca.pem"] == certificate
    assert "ca-file /etc/slm/cloud-ca.pem" in made.files[0].content


def test_health_costs_no_tokens_and_may_be_a_mere_connection() -> None:
    assert "http-check send meth GET uri /openai/v1/models " in config()
    assert "http-check send meth GET uri /status " in config(health="/status")
    text = config(health="")
    assert "option httpchk" not in text[text.index("backend engine-cloud") :]


def test_what_it_does_not_declare_is_refused_by_the_gateway() -> None:
    route = route_outside("cloud", external(capabilities=("chat", "embeddings")))
    assert {path for _, path in route.paths} == {"/v1/chat/completions", "/v1/embeddings"}
    assert {"tools", "seed", "json_schema"} <= set(route.lacks)
    assert re.search(r"acl to_cloud var\(txn\.model\) -m str Phi-4-mini-instruct\n", config())


def test_the_name_of_this_machine_is_not_asked_of_a_name_server() -> None:
    def servers(url: str) -> str:
        text = config(url=url)
        return text[text.index("backend engine-cloud") :]

    assert "resolvers names" not in servers("http://host.docker.internal:5273/v1")
    assert "resolvers names" in servers(URL)


def test_docs_name_only_fields_that_exist() -> None:
    fields = set(External.model_fields)
    for page in sorted(Path("docs").glob("external-*.md")):
        blocks = re.findall(r"```yaml\n(.*?)```", page.read_text(), re.S)
        assert blocks, page
        named = {m for block in blocks for m in re.findall(r"^      (\w+):", block, re.M)}
        assert named <= fields, (page, named - fields)
