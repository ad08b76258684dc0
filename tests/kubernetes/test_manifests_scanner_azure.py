"""checkov reads what the committed production stack asks of Azure, as a template of Azure Resource Manager."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from components.targets.spec import Aks
from tests.kubernetes.arm import TYPES, template
from tests.kubernetes.findings import Finding, excepted, exceptions
from tests.kubernetes.rendered import stack
from tests.kubernetes.scanner import Failure, failures
from tests.program.aks_declared import Declare, declare  # noqa: F401 - a fixture

pytestmark = pytest.mark.kubernetes

REVIEWED = Path(__file__).with_name("exceptions_azure.yaml")
CONTROLS = {4: 59, 5: 56, 6: 55, 7: 57, 8: 59, 141: 56, 172: 58, 226: 61, 227: 61} | dict.fromkeys(
    (42, 109, 110, 111, 137, 138, 139, 163, 166, 189, 233), 62
)
"""The control that a check of checkov (CKV_AZURE_…) is about, as docs/security.md numbers them."""

BROKEN: list[tuple[str, tuple[str, ...], Any, str]] = [
    ("ManagedCluster", ("disableLocalAccounts",), False, "CKV_AZURE_141"),
    ("ManagedCluster", ("enableRBAC",), False, "CKV_AZURE_5"),
    ("ManagedCluster", ("networkProfile", "networkPolicy"), None, "CKV_AZURE_7"),
    ("ManagedCluster", ("addonProfiles", "omsagent"), {"enabled": False}, "CKV_AZURE_4"),
    ("AgentPool", ("enableEncryptionAtHost",), False, "CKV_AZURE_227"),
    ("Vault", ("enablePurgeProtection",), False, "CKV_AZURE_110"),
    ("Vault", ("publicNetworkAccess",), "Enabled", "CKV_AZURE_189"),
    ("Registry", ("adminUserEnabled",), True, "CKV_AZURE_137"),
    ("Registry", ("anonymousPullEnabled",), True, "CKV_AZURE_138"),
    ("Registry", ("publicNetworkAccess",), "Enabled", "CKV_AZURE_139"),
]
"""A kind of resource, a field of it, a value that weakens it, and the check that must notice."""


def kind(own: str) -> str:
    """What Pulumi calls a kind of resource that Azure calls so."""
    return next(name.split(":")[1] for name, azures in TYPES.items() if azures == own)


@pytest.fixture(scope="module")
def found(declare: Declare, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Failure]]:  # noqa: F811
    """What it says to the stack as it is, and to the stack with each of the fields broken."""
    [aks] = [spec for spec in stack("prod").settings.targets.values() if isinstance(spec, Aks)]
    whole = template(declare(aks))
    files = {"whole.json": whole} | {f"{n}.json": broken(whole, *row[:3]) for n, row in enumerate(BROKEN)}
    said = failures(files, "arm", tmp_path_factory.mktemp("checkov"))
    return {name: [one for one in said if one.file == name] for name in files}


def broken(whole: dict[str, Any], of: str, path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """The template with one field changed in every resource of a kind."""
    changed = copy.deepcopy(whole)
    for resource in changed["resources"]:
        if kind(resource["type"]) == of:
            place = resource["properties"]
            for step in path[:-1]:
                place = place[step]
            assert place.get(path[-1]) != value
            place[path[-1]] = value
    return changed


def as_finding(one: Failure) -> Finding:
    """In our own words: checkov writes `Microsoft.X/kind.name`."""
    of = next(own for own in sorted(TYPES.values(), key=len, reverse=True) if one.resource.startswith(f"{own}."))
    number = int(one.check.removeprefix("CKV_AZURE_"))
    return Finding(CONTROLS[number], f"{kind(of)} {one.check}", "", one.says, "meet it, or write an exception")


def test_controls_55_to_62_nothing_is_left_but_what_was_reviewed(found: dict[str, list[Failure]]) -> None:
    open_, unused = excepted(map(as_finding, found["whole.json"]), exceptions(path=REVIEWED))
    assert [str(one) for one in open_] == []
    assert unused == []


@pytest.mark.parametrize("number", range(len(BROKEN)), ids=[f"{row[0]}-{'.'.join(row[1])}" for row in BROKEN])
def test_a_weakened_resource_is_noticed(found: dict[str, list[Failure]], number: int) -> None:
    usual = {(one.check, one.resource) for one in found["whole.json"]}
    more = {one.check for one in found[f"{number}.json"] if (one.check, one.resource) not in usual}
    assert BROKEN[number][3] in more
