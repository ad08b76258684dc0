"""Where the state and the secrets of a production stack on Azure may be kept (control 63) (pure)."""

from __future__ import annotations

VAULTS = ("azurekeyvault://", "awskms://", "gcpkms://", "hashivault://")
SHARED = ("azblob://", "s3://", "gs://", "https://")


def secrets_provider_problem(provider: str | None) -> str | None:
    """Why a secrets provider must not protect such a stack, as "what — fix"; None when it may."""
    fix = "secretsprovider: azurekeyvault://VAULT.vault.azure.net/keys/KEY, then pulumi stack change-secrets-provider"
    if not provider:
        return f"nothing says what protects the stack's secrets (control 63) — {fix}"
    if not provider.startswith(VAULTS):
        kind = provider.partition(":")[0]
        return f"secretsprovider {kind}: whoever copies the state may guess for ever (control 63) — {fix}"
    return None


def backend_problem(url: str | None) -> str | None:
    """Why a state backend must not hold such a stack's state, as "what — fix"; None when it may."""
    fix = "export PULUMI_BACKEND_URL='azblob://CONTAINER?storage_account=ACCOUNT'"
    if not url or url.startswith("file://"):
        return f"the state would lie on this machine alone, and be lost or out of date with it (control 63) — {fix}"
    if not url.startswith(SHARED):
        return f"backend {url.partition(':')[0]}: is none that others can share and lock (control 63) — {fix}"
    return None
