"""Faults that a file puts into the simulated Azure."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from rehearsal.providers.azure.cloud import Cloud
from rehearsal.providers.azure.errors import ArmError, PartlyDone
from rehearsal.providers.azure.provider import Provider
from tests.unit.standin_azure_samples import CLUSTER, GROUP, POOL, create, sample, with_cluster

pytestmark = pytest.mark.unit
_POOL = "containerservice:AgentPool"


@pytest.fixture
def provider(tmp_path: Path) -> Provider:
    return with_cluster(tmp_path)


def faults(directory: Path, text: str) -> None:
    (directory / "faults.toml").write_text(text)


def fault(directory: Path, kind: str, operation: str = "create", more: str = "times = 1") -> None:
    faults(directory, f'[[fault]]\ntype = "{_POOL}"\noperation = "{operation}"\nfault = "{kind}"\n{more}\n')


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("quota_exceeded", 400, "QuotaExceeded"),
        ("sku_not_available", 409, "SkuNotAvailable"),
        ("conflict", 409, "OperationNotAllowed"),
        ("throttled", 429, "TooManyRequests"),
        ("token_expired", 401, "ExpiredAuthenticationToken"),
        ("locked", 409, "ScopeLocked"),
    ],
)
def test_a_refusal_happens_as_often_as_it_is_to_and_is_one_sentence_with_its_code(
    provider: Provider, tmp_path: Path, kind: str, status: int, code: str
) -> None:
    fault(tmp_path, kind)
    with pytest.raises(ArmError, match=rf'^Status={status} Code="{code}" Message="[^"\n]+"$'):
        create(provider, _POOL)
    assert Cloud(tmp_path).resources(_POOL) == []
    create(provider, _POOL)


def test_a_blocked_deletion_leaves_everything(provider: Provider, tmp_path: Path) -> None:
    create(provider, _POOL)
    fault(tmp_path, "locked", "delete")
    with pytest.raises(ArmError, match="cannot perform delete operation"):
        provider.delete(f"azure-native:{_POOL}", POOL)
    assert len(Cloud(tmp_path).resources(_POOL)) == 1
    provider.delete(f"azure-native:{_POOL}", POOL)


def test_a_creation_that_ends_half_way_leaves_a_failed_resource_that_an_update_mends(
    provider: Provider, tmp_path: Path
) -> None:
    fault(tmp_path, "half_done")
    with pytest.raises(PartlyDone) as raised:
        create(provider, _POOL)
    assert raised.value.arm_id == POOL
    assert raised.value.outputs["provisioningState"] == "Failed"
    entry = Cloud(tmp_path).pools()["clusters"][0]["pools"][1]
    assert (entry["state"], entry["pool"]["max_nodes"]) == ("Failed", 0)
    outputs = provider.update(f"azure-native:{_POOL}", POOL, sample(_POOL))
    assert outputs["provisioningState"] == "Succeeded"


def test_a_slow_creation_takes_its_time_and_is_seen_meanwhile(provider: Provider, tmp_path: Path) -> None:
    fault(tmp_path, "slow", more="seconds = 0.4")
    began = time.monotonic()
    create(provider, _POOL)
    assert time.monotonic() - began >= 0.4
    assert Cloud(tmp_path).read(POOL)["provisioningState"] == "Succeeded"


def test_who_is_stopped_during_a_slow_creation_leaves_what_was_begun(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(tmp_path, "slow")

    def killed(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rehearsal.providers.azure.manager.time.sleep", killed)
    with pytest.raises(KeyboardInterrupt):
        create(provider, _POOL)
    assert Cloud(tmp_path).read(POOL)["provisioningState"] == "Creating"


def test_patterns_choose_which_resources_and_operations_meet_a_fault(provider: Provider, tmp_path: Path) -> None:
    faults(tmp_path, '[[fault]]\nname = "g*"\noperation = "read"\nfault = "throttled"\n')
    create(provider, _POOL)
    read = f"azure-native:{_POOL}"
    for _ in range(3):
        with pytest.raises(ArmError, match="429"):
            provider.read(read, POOL, sample(_POOL), {})
    assert provider.read("azure-native:resources:ResourceGroup", GROUP, {}, {})
    assert provider.read("azure-native:containerservice:ManagedCluster", CLUSTER, {}, {})


def test_rows_are_counted_by_themselves(provider: Provider, tmp_path: Path) -> None:
    row = '[[fault]]\ntype = "{}"\nfault = "{}"\ntimes = 1\n'
    faults(tmp_path, row.format(_POOL, "throttled") + row.format(_POOL, "conflict"))
    for code in ("TooManyRequests", "OperationNotAllowed"):
        with pytest.raises(ArmError, match=code):
            create(provider, _POOL)
    create(provider, _POOL)


@pytest.mark.parametrize(
    "text", ["[[fault]]\n", '[[fault]]\nfault = "quota"\n', "nonsense", '[[fault]]\nfault = "slow"\nname = 3\n']
)
def test_a_file_that_is_wrong_stops_everything(provider: Provider, tmp_path: Path, text: str) -> None:
    faults(tmp_path, text)
    with pytest.raises(ArmError, match=r"FaultsFileInvalid.*faults\.toml"):
        create(provider, _POOL)
