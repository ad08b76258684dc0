"""Stands in for `kubelogin` (github.com/Azure/kubelogin): prints the local control plane's credential.

So the login that a program writes into a kubeconfig is really carried out: a wrong argument fails here as it would with
AKS. `install` makes the command, with the kubeconfig of the control plane in it.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import yaml

from rehearsal.providers.azure.credentials import SERVER_APPLICATION

LOGINS = ("azurecli", "workloadidentity", "msi", "spn", "azd", "devicecode", "interactive", "ropc")
_WITH_A_PERSON = ("devicecode", "interactive", "ropc")


def install(directory: Path, kubeconfig: Path) -> Path:
    """Write the command `kubelogin` into a directory that is to be put on PATH; its path."""
    command = directory / "kubelogin"
    root = Path(__file__).resolve().parents[3]
    run = f"exec {shlex.quote(sys.executable)} -m rehearsal.providers.azure.kubelogin {shlex.quote(str(kubeconfig))}"
    directory.mkdir(parents=True, exist_ok=True)
    command.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(root))} {run} "$@"\n')
    command.chmod(0o755)
    return command


def main(arguments: list[str]) -> int:
    """`KUBECONFIG get-token …`: print an ExecCredential. A message and 1 when the login could not work with AKS."""
    parser = argparse.ArgumentParser(prog="kubelogin")
    parser.add_argument("kubeconfig", type=Path)
    parser.add_argument("command", choices=["get-token"])
    parser.add_argument("--login", "-l", choices=LOGINS, default="devicecode")
    parser.add_argument("--server-id", required=True)
    for other in ("--client-id", "--tenant-id", "--environment", "--federated-token-file", "--identity-resource-id"):
        parser.add_argument(other)
    asked = parser.parse_args(arguments)
    if asked.server_id != SERVER_APPLICATION:
        return _refuse(f"no application {asked.server_id} in the tenant; AKS is {SERVER_APPLICATION}")
    if asked.login in _WITH_A_PERSON:
        return _refuse(f"--login {asked.login} waits for a person at a browser, and there is none here")
    if asked.login == "workloadidentity":
        names = ("client_id", "tenant_id", "federated_token_file")
        variables = {name: f"AZURE_{name.upper()}" for name in names}
        missing = [v for name, v in variables.items() if not (getattr(asked, name) or os.environ.get(v))]
        if missing:
            return _refuse(f"--login workloadidentity needs {', '.join(missing)}, or the arguments in their place")
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "kind": "ExecCredential",
        "status": _status(yaml.safe_load(asked.kubeconfig.read_text())),
    }
    print(json.dumps(credential))
    return 0


def _status(config: Any) -> dict[str, str]:
    context = next(c["context"] for c in config["contexts"] if c["name"] == config["current-context"])
    user = next(u["user"] for u in config["users"] if u["name"] == context["user"])
    if "token" in user:
        return {"token": user["token"]}
    names = {"clientCertificateData": "client-certificate-data", "clientKeyData": "client-key-data"}
    return {name: base64.b64decode(user[there]).decode() for name, there in names.items()}


def _refuse(why: str) -> int:
    print(f"kubelogin: {why}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
