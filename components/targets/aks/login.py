"""How programs log in to the cluster: the kubeconfig Azure gives asks a person, and is rewritten here (pure)."""

from __future__ import annotations

import base64
from typing import Any, Literal

import yaml

Login = Literal["azurecli", "workloadidentity", "msi"]
KUBELOGIN = "kubelogin"
SERVER_ID = "--server-id"


def decoded(kubeconfig: str) -> str:
    """The text of a kubeconfig as Azure's interface gives it. Raises ValueError."""
    try:
        return base64.b64decode(kubeconfig, validate=True).decode()
    except ValueError:
        raise ValueError("the kubeconfig that Azure gave is not base64 — az aks get-credentials shows it") from None


def rewrite(kubeconfig: str, login: Login) -> str:
    """The kubeconfig with every kubelogin user logging in without a person.

    `azurecli`: as whoever `az login` logged in; `workloadidentity`: by a federated token of a CI job, whose file and
    ids kubelogin reads from AZURE_* variables; `msi`: as the identity of the machine it runs on. Users that log in by
    other means stay as they are. Raises ValueError, without the content, for what is no kubeconfig.
    """
    try:
        config = yaml.safe_load(kubeconfig)
    except yaml.YAMLError:
        config = None
    if not isinstance(config, dict) or not isinstance(config.get("users"), list) or not config["users"]:
        raise ValueError(
            "what Azure gave is no kubeconfig with a user — az aks get-credentials shows what it gives you"
        )
    users = [_rewritten(user, login) for user in config["users"]]
    return yaml.safe_dump({**config, "users": users}, sort_keys=False)


def _rewritten(user: Any, login: Login) -> Any:
    how = (user.get("user") or {}).get("exec") if isinstance(user, dict) else None
    if not how or how.get("command") != KUBELOGIN:
        return user
    arguments = how.get("args") or []
    if SERVER_ID not in arguments[:-1]:
        raise ValueError(
            "the kubeconfig names no server id, so no token could be asked for — upgrade the cluster's API"
        )
    server = arguments[arguments.index(SERVER_ID) + 1]
    # What else there is belongs to the login by a person: a client that only asks for codes, and its tenant.
    kept = {**how, "args": ["get-token", "--login", login, SERVER_ID, server], "interactiveMode": "Never"}
    return {**user, "user": {**user["user"], "exec": kept}}
