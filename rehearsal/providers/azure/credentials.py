"""The kubeconfig of a cluster: the local control plane's, in the form in which AKS gives it out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from rehearsal.providers.azure.errors import PluginError

# The server and client applications of AKS in every Entra tenant; public, and the same in all kubeconfigs.
SERVER_APPLICATION = "6dae42f8-4368-4678-94ff-3960e28e3630"
CLIENT_APPLICATION = "80faf920-1908-4b52-b5ef-a8e7bedfc67a"


def as_user(local: Path, group: str, cluster: str, tenant: str, by_entra: bool) -> str:
    """A user's kubeconfig. With Entra ID it names `kubelogin`, told to ask a person (`devicecode`), as AKS does."""
    login: dict[str, Any] = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "args": [
                "get-token",
                "--environment",
                "AzurePublicCloud",
                "--server-id",
                SERVER_APPLICATION,
                "--client-id",
                CLIENT_APPLICATION,
                "--tenant-id",
                tenant,
                "--login",
                "devicecode",
            ],
            "command": "kubelogin",
            "env": None,
            "installHint": "kubelogin is not installed: https://aka.ms/aks/kubelogin",
            "provideClusterInfo": False,
        }
    }
    return _named(local, cluster, f"clusterUser_{group}_{cluster}", login if by_entra else None)


def as_admin(local: Path, group: str, cluster: str) -> str:
    """The administrator's kubeconfig, with the credential in it."""
    return _named(local, f"{cluster}-admin", f"clusterAdmin_{group}_{cluster}", None)


def _named(local: Path, context: str, user: str, login: dict[str, Any] | None) -> str:
    try:
        config = yaml.safe_load(local.read_text())
        current = next(c["context"] for c in config["contexts"] if c["name"] == config["current-context"])
        cluster = next(c["cluster"] for c in config["clusters"] if c["name"] == current["cluster"])
        credential = next(u["user"] for u in config["users"] if u["name"] == current["user"])
    except (OSError, yaml.YAMLError, KeyError, TypeError, StopIteration):
        raise PluginError(
            f"no kubeconfig of a running control plane at {local}, so the cluster cannot be reached — start the "
            "rehearsal's control plane first, or name its kubeconfig in SLM_REHEARSAL_KUBECONFIG"
        ) from None
    name = context.removesuffix("-admin")
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "clusters": [{"cluster": cluster, "name": name}],
            "contexts": [{"context": {"cluster": name, "user": user}, "name": context}],
            "current-context": context,
            "kind": "Config",
            "preferences": {},
            "users": [{"name": user, "user": login or credential}],
        },
        sort_keys=False,
    )
