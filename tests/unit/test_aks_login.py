"""The kubeconfig that Azure gives is rewritten so that programs log in, and nobody is asked for a code."""

from __future__ import annotations

import base64
from typing import Any, get_args

import pytest
import yaml

from components.targets.aks.login import Login, decoded, rewrite
from components.targets.spec import Aks
from tests.program.aks_recorder import KUBECONFIG, SERVER_ID, TENANT

pytestmark = pytest.mark.unit
GIVEN = yaml.safe_dump(KUBECONFIG)


def execs(text: str) -> list[dict[str, Any]]:
    return [user["user"]["exec"] for user in yaml.safe_load(text)["users"]]


@pytest.mark.parametrize("login", get_args(Login))
def test_every_kubelogin_user_logs_in_without_a_person(login: Login) -> None:
    (how,) = execs(rewrite(GIVEN, login))
    assert how["args"] == ["get-token", "--login", login, "--server-id", SERVER_ID]
    assert how["interactiveMode"] == "Never"
    assert how["command"] == "kubelogin"
    assert how["apiVersion"] == "client.authentication.k8s.io/v1beta1"


def test_nothing_of_the_login_by_a_person_is_left() -> None:
    text = rewrite(GIVEN, "azurecli")
    for word in ("devicecode", "--client-id", TENANT, "--environment"):
        assert word not in text


def test_the_rest_of_the_file_stays_as_it_is() -> None:
    before, after = yaml.safe_load(GIVEN), yaml.safe_load(rewrite(GIVEN, "msi"))
    assert {k: v for k, v in after.items() if k != "users"} == {k: v for k, v in before.items() if k != "users"}


def test_it_can_be_done_again() -> None:
    assert rewrite(rewrite(GIVEN, "msi"), "azurecli") == rewrite(GIVEN, "azurecli")


def test_users_that_log_in_by_other_means_stay_as_they_are() -> None:
    other = {"name": "admin", "user": {"client-certificate-data": "x", "client-key-data": "y"}}
    helper = {"name": "helper", "user": {"exec": {"command": "other-helper", "args": ["get"]}}}
    text = yaml.safe_dump({**KUBECONFIG, "users": [other, helper, *KUBECONFIG["users"]]})  # type: ignore[misc]
    users = yaml.safe_load(rewrite(text, "msi"))["users"]
    assert users[:2] == [other, helper]
    assert "msi" in users[2]["user"]["exec"]["args"]


@pytest.mark.parametrize("text", ["", "[]", "a: [", "users: []", "users: text", "clusters: []", "\x00"])
def test_what_is_no_kubeconfig_is_refused_without_its_content(text: str) -> None:
    with pytest.raises(ValueError, match="no kubeconfig with a user — az aks get-credentials"):
        rewrite(text, "azurecli")


@pytest.mark.parametrize("arguments", [[], None, ["get-token"], ["get-token", "--server-id"]])
def test_a_kubeconfig_without_a_server_is_refused(arguments: list[str] | None) -> None:
    user = {"name": "u", "user": {"exec": {"command": "kubelogin", "args": arguments}}}
    with pytest.raises(ValueError, match="names no server id"):
        rewrite(yaml.safe_dump({"users": [user]}), "azurecli")


def test_azures_answer_is_decoded_and_what_is_none_is_refused() -> None:
    assert decoded(base64.b64encode(GIVEN.encode()).decode()) == GIVEN
    with pytest.raises(ValueError, match="not base64"):
        decoded("not base64!")
    with pytest.raises(ValueError, match="not base64"):
        decoded(base64.b64encode(b"\xff\xfe").decode())


def test_every_login_of_the_settings_is_one_that_can_be_written() -> None:
    assert set(get_args(Aks.model_fields["login"].annotation)) == set(get_args(Login))
