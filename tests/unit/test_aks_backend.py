"""Where a production stack on Azure keeps state and secrets: weaker places are refused with the fix (control 63)."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from components.targets.aks.backend import backend_problem, secrets_provider_problem

pytestmark = pytest.mark.unit
PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("provider", [None, "", "passphrase", "default"])
def test_control_63_a_weak_secrets_provider_is_refused(provider: str | None) -> None:
    problem = secrets_provider_problem(provider)
    assert problem is not None
    assert "control 63" in problem
    assert "azurekeyvault://" in problem.partition(" — ")[2]


@pytest.mark.parametrize("url", [None, "", "file://~", "file:///tmp/state", "ftp://x", "azblob:/container"])
def test_control_63_state_on_one_machine_is_refused(url: str | None) -> None:
    problem = backend_problem(url)
    assert problem is not None
    assert "control 63" in problem
    assert "azblob://" in problem.partition(" — ")[2]


@pytest.mark.parametrize("provider", ["azurekeyvault://v.vault.azure.net/keys/k", "awskms://alias/x", "gcpkms://k"])
def test_a_key_that_nobody_holds_may_protect_it(provider: str) -> None:
    assert secrets_provider_problem(provider) is None


@pytest.mark.parametrize("url", ["azblob://state?storage_account=a", "s3://b", "gs://b", "https://api.example.org"])
def test_a_shared_backend_may_hold_it(url: str) -> None:
    assert backend_problem(url) is None


def test_control_63_the_committed_production_stack_names_both() -> None:
    text = (PROJECT / "Pulumi.prod.yaml").read_text()
    assert secrets_provider_problem(yaml.safe_load(text)["secretsprovider"]) is None
    (line,) = [line for line in text.splitlines() if "PULUMI_BACKEND_URL" in line]
    assert backend_problem(line.split("'")[1]) is None
