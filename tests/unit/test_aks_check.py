"""`make check` of a production stack on Azure: its cost, why these VM sizes, and where state and secrets may not be."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from components.settings import load
from components.sizing.cost import costs
from ops import check
from tests.unit.settings_base import load_text

pytestmark = pytest.mark.unit
PROJECT = Path(__file__).resolve().parents[2]


def said(directory: Path, stack: str = "prod") -> tuple[int, str]:
    console = Console(width=200, record=True, file=StringIO())
    code = check.run(stack, directory, console)
    return code, console.export_text()


def copied(directory: Path, old: str = "", new: str = "") -> Path:
    text = (PROJECT / "Pulumi.prod.yaml").read_text()
    assert old in text
    (directory / "Pulumi.prod.yaml").write_text(text.replace(old, new))
    return directory


def test_the_committed_stack_costs_what_its_nodes_cost(tmp_path: Path) -> None:
    settings = load_text((PROJECT / "Pulumi.prod.yaml").read_text(), tmp_path, stack="prod")
    (cost,) = costs(settings)
    # Three system nodes with a disk of their own, two for the gateway, none with a GPU; then five, four and two.
    assert cost.total(at_most=False) == pytest.approx(0.10 + 3 * 0.25 + 2 * 0.208)
    assert cost.total(at_most=True) == pytest.approx(0.10 + 5 * 0.25 + 4 * 0.208 + 2 * 0.658)
    assert cost.unknown == ()
    _, text = said(copied(tmp_path))
    assert "target 'cloud' costs 924 USD a month with the fewest nodes and 2,554 USD a month with all of them" in text
    assert "50% (1 of 2)" in text
    assert "read 2026-06-18" in text


def test_why_a_size_was_chosen_is_said(tmp_path: Path) -> None:
    _, text = said(copied(tmp_path, "vm_size: Standard_NC4as_T4_v3", "vm_size: auto"))
    assert "pool 'gpu': Standard_NC4as_T4_v3 (0.66 USD an hour in westeurope) is the cheapest that fits chat" in text


def test_control_63_a_passphrase_is_no_secrets_provider_for_it(tmp_path: Path) -> None:
    provider = "azurekeyvault://slm-pulumi.vault.azure.net/keys/pulumi"
    code, text = said(copied(tmp_path, provider, "passphrase"))
    assert code == 1
    assert "not deployable: secretsprovider passphrase" in text


def test_control_63_state_on_this_machine_is_told_before_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    code, text = said(copied(tmp_path))
    assert (code, "before up: the state would lie on this machine alone" in text) == (0, True)
    monkeypatch.setenv("PULUMI_BACKEND_URL", "azblob://state?storage_account=a")
    assert "before up" not in said(tmp_path)[1]


def test_a_stack_on_docker_costs_nothing_here() -> None:
    _, text = said(PROJECT, "dev")
    assert "USD" not in text


def test_bad_config_55_production_refuses_a_cluster_that_promises_nothing() -> None:
    weak = load("prod", PROJECT, {"slm:targets": {"cloud": {"tier": "Free"}}}).refusals("prod")
    assert [text for text in weak if "tier: Free" in text and "target 'cloud'" in text]
    assert not [text for text in load("prod", PROJECT, {}).refusals("prod") if "tier" in text]


def test_bad_config_57_production_refuses_what_one_command_would_delete() -> None:
    loose = load("prod", PROJECT, {"slm:targets": {"cloud": {"protect": {"cluster": False}}}}).refusals("prod")
    assert [text for text in loose if "protect.cluster: false" in text]


def test_a_stacks_own_prices_are_taken() -> None:
    own = {"Standard_NC4as_T4_v3": 9.0, "Standard_NC4as_T4_v3/spot": 1.0}
    (cheap,), (dear,) = (costs(load("prod", PROJECT, o)) for o in ({}, {"slm:prices": own}))
    assert dear.total(at_most=True) > cheap.total(at_most=True) + 10
