"""The vault's side of a production stack's secrets: what lies in it, and that nothing of it is ever said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import RequestsTransport
from azure.keyvault.secrets import SecretClient
from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter

from components.gateway import key_map
from components.settings import load
from components.targets.aks.profiles import SECRETS_POLL
from ops.errors import UserError
from ops.secrets import vault
from ops.secrets.vault_store import AzureVault

pytestmark = pytest.mark.unit
PROJECT = Path(__file__).resolve().parents[2]
CANARY = "canary-" + "c" * 30


class Shelf:
    """A vault in memory."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}
        self.writes: list[str] = []

    def get(self, name: str) -> str | None:
        return self.held.get(name)

    def set(self, name: str, content: str) -> None:
        self.held[name] = content
        self.writes.append(name)


def test_control_65_the_production_stack_keeps_its_secrets_in_its_vault() -> None:
    settings = load("prod", PROJECT)
    assert vault.vault_of(settings) == "slm-prod-example"
    assert vault.wanted(settings, "prod") == ["gateway-keys", "gateway-certificate", "gateway-certificate-key"]
    assert vault.vault_of(load("dev", PROJECT)) is None


def test_control_65_only_digests_of_api_keys_go_into_the_vault() -> None:
    content = vault.content_of("gateway-keys", {"key-1": CANARY}, {}, {})
    assert content == key_map({"key-1": CANARY})
    assert CANARY not in str(content)
    webui = {"webui-api-key": "slm-" + "w" * 43}
    both = vault.content_of("gateway-keys", {"key-1": CANARY}, webui, {})
    assert both == key_map({"key-1": CANARY, "webui": webui["webui-api-key"]})
    assert vault.content_of("gateway-keys", {}, {}, {}) is None


def test_what_people_give_is_kept_by_its_name_and_an_upstreams_key_as_the_gateway_reads_it() -> None:
    given = {"cloud-key": "abc", "hub-token": "hf"}
    assert vault.content_of("hub-token", {}, {}, given) == "hf"
    assert vault.content_of("bearer:cloud-key", {}, {}, given) == "key Bearer abc\n"
    assert vault.content_of("plain:cloud-key", {}, {}, given) == "key abc\n"
    assert vault.content_of("bearer:other", {}, {}, given) is None
    assert vault.content_of("webui-secret-key", {}, {"webui-secret-key": "s"}, given) == "s"
    with pytest.raises(ValueError, match="spaces, line ends") as error:
        vault.content_of("bearer:bad", {}, {}, {"bad": f"{CANARY} x"})
    assert CANARY not in str(error.value)


def test_what_is_there_already_makes_no_new_version() -> None:
    shelf = Shelf()
    assert vault.fill(shelf, {"a": "1", "b": "2"}) == ["a", "b"]
    assert vault.fill(shelf, {"a": "1", "b": "3"}) == ["b"]
    assert shelf.writes == ["a", "b", "b"]
    assert vault.missing(shelf, ["a", "c"]) == ["c"]


def test_the_cluster_asks_as_often_as_is_waited() -> None:
    assert f"{vault.POLL_SECONDS // 60}m" == SECRETS_POLL


def test_several_secrets_in_one_are_read() -> None:
    assert vault.decoded('{"a": "1"}') == {"a": "1"}
    assert vault.decoded(None) == {}


class Wire(BaseAdapter):
    """Answers as Key Vault's interface does, and keeps what was asked. `status` is what every answer is, if set."""

    def __init__(self, status: int | None = None, broken: bool = False) -> None:
        super().__init__()
        self.status, self.broken = status, broken
        self.methods: list[str] = []
        self.held: dict[str, str] = {}

    def send(self, request: PreparedRequest, *_: Any, **__: Any) -> Response:
        if self.broken:
            raise requests.ConnectionError(f"no way to {request.url} with {CANARY}")
        self.methods.append(str(request.method))
        if "Authorization" not in request.headers:
            return _answer(request, 401, {}, {"WWW-Authenticate": CHALLENGE})
        name = str(request.path_url).split("?")[0].split("/")[2]
        if request.method == "PUT":
            self.held[name] = json.loads(request.body or "{}")["value"]
        if self.status or name not in self.held:
            return _answer(request, self.status or 404, {"error": {"code": "x", "message": CANARY}})
        return _answer(request, 200, {"value": self.held[name], "id": f"https://v.vault.azure.net/secrets/{name}/1"})

    def close(self) -> None: ...


def _answer(
    request: PreparedRequest, status: int, body: dict[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    answer = Response()
    answer.status_code, answer.request, answer.url = status, request, str(request.url)
    answer.headers.update({"Content-Type": "application/json", **(headers or {})})
    answer.raw = BytesIO(json.dumps(body).encode())
    return answer


CHALLENGE = 'Bearer authorization="https://login.example.org/t", resource="https://vault.azure.net"'


class Someone:
    """A credential that is always there."""

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken("token", 9_999_999_999)


def azure(wire: Wire) -> AzureVault:
    session = requests.Session()
    session.mount("https://", wire)
    transport = RequestsTransport(session=session, session_owner=False)
    return AzureVault("v", SecretClient("https://v.vault.azure.net", Someone(), transport=transport, retry_total=0))


def test_a_secret_goes_to_azures_interface_under_a_name_it_allows_and_comes_back() -> None:
    wire = Wire()
    store = azure(wire)
    assert store.get("bearer:cloud-key") is None
    store.set("bearer:cloud-key", CANARY)
    assert store.get("bearer:cloud-key") == CANARY
    assert wire.held == {"bearer-cloud-key": CANARY}
    assert set(wire.methods) == {"GET", "PUT"}


@pytest.mark.parametrize(
    ("wire", "said"),
    [
        (Wire(status=403), "refuses this account or this network"),
        (Wire(status=500), "answered 500"),
        (Wire(broken=True), "cannot be reached"),
    ],
)
def test_control_64_a_refusal_says_the_fix_and_nothing_secret(wire: Wire, said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        azure(wire).set("gateway-keys", CANARY)
    assert CANARY not in str(error.value)
    assert "no secret was read or written" in str(error.value)
    assert error.value.__cause__ is None
