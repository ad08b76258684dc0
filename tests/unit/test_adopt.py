"""Which resource an id belongs to, what is refused of ids, and what a proposal says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.settings import SettingsError, load
from components.settings.adoption import Adoption
from ops.adopt import command as adopt
from ops.adopt.command import Outcome, propose, read_ids
from ops.adopt.match import matches
from ops.errors import UserError
from ops.machine import Machine
from ops.previewed import Step
from ops.pulumi_cli import Result

pytestmark = pytest.mark.unit

PROJECT = Path(__file__).resolve().parents[2]
GROUP = "/subscriptions/s/resourceGroups/slm-prod-data"


def create(type_: str, called: str, /, **inputs: Any) -> dict[str, Any]:
    urn = f"urn:pulumi:dev::slm::slm:x:y${type_}::{called}"
    return {"op": "create", "urn": urn, "newState": {"inputs": inputs}}


@pytest.mark.parametrize(
    ("type_", "inputs", "id_", "meant"),
    [
        ("docker:index/volume:Volume", {"name": "slm-dev-data"}, "slm-dev-data", True),
        ("docker:index/volume:Volume", {"name": "slm-dev-data"}, "slm-dev-dat", False),
        ("docker:index/network:Network", {"name": "slm-dev-internal"}, "slm-dev-internal", True),
        ("kubernetes:core/v1:Secret", {"metadata": {"name": "a", "namespace": "slm"}}, "slm/a", True),
        ("kubernetes:core/v1:Secret", {"metadata": {"name": "a", "namespace": "slm"}}, "other/a", False),
        ("kubernetes:core/v1:Namespace", {"metadata": {"name": "slm"}}, "slm", True),
        ("kubernetes:core/v1:Namespace", {}, "slm", False),
        ("azure-native:resources:ResourceGroup", {"resourceGroupName": "slm-prod-data"}, GROUP, True),
        ("azure-native:resources:ResourceGroup", {"resourceGroupName": "other"}, GROUP, False),
        ("azure-native:keyvault:Vault", {"vaultName": "V"}, f"{GROUP}/providers/Microsoft.KeyVault/vaults/v", True),
        (
            "azure-native:keyvault:Key",
            {"keyName": "etcd"},
            f"{GROUP}/providers/Microsoft.KeyVault/vaults/v/keys/etcd",
            True,
        ),
        (
            "azure-native:keyvault:Vault",
            {"x": "etcd"},
            f"{GROUP}/providers/Microsoft.KeyVault/vaults/v/keys/etcd",
            False,
        ),
        (
            "azure-native:containerregistry:Registry",
            {"registryName": "r"},
            f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/r",
            True,
        ),
        (
            "azure-native:network/v20230201:PublicIPAddress",
            {"publicIpAddressName": "ip"},
            f"{GROUP}/providers/Microsoft.Network/publicIPAddresses/ip",
            True,
        ),
        ("azure-native:keyvault:Vault", {"vaultName": "v"}, "v", False),
        ("azure-native:keyvault:Vault", {"vaultName": "v"}, "///", False),
        ("slm:engine:vllm", {"name": "slm-dev-data"}, "slm-dev-data", False),
    ],
)
def test_an_id_belongs_to_what_has_its_kind_and_name(type_: str, inputs: dict[str, Any], id_: str, meant: bool) -> None:
    assert matches(Step.model_validate(create(type_, "r", **inputs)), id_) is meant


def test_ids_come_as_words_and_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "ids"
    file.write_text("# what is there\nb  # the second\n\nc=d\n")
    assert read_ids("a, b", file, "dev") == ["a", "b", "c=d"]
    with pytest.raises(UserError, match="0 ids are given"):
        read_ids(" , ", None, "dev")
    with pytest.raises(UserError, match="cannot be read"):
        read_ids("", tmp_path / "nowhere", "dev")
    with pytest.raises(UserError, match="1001 ids"):
        read_ids(",".join(map(str, range(1001))), None, "dev")


class Pulumi:
    """Pulumi that would make `creates`, and says `second` of them once the entries are in its configuration."""

    def __init__(self, machine: Machine, creates: list[dict[str, Any]], second: dict[str, Any] | str) -> None:
        self.machine, self.creates, self.second = machine, creates, second
        self.given: dict[str, Any] = {}

    def run(self, *_: str, extra: dict[str, str] | None = None) -> Result:
        if not extra:
            return Result(0, json.dumps({"steps": self.creates}))
        self.given = yaml.safe_load(Path(extra["PULUMI_OPTION_CONFIG_FILE"]).read_text())
        return Result(255, self.second if isinstance(self.second, str) else json.dumps(self.second))


VOLUME = create("docker:index/volume:Volume", "data-volume", name="slm-dev-data")
CONTAINER = create("docker:index/container:Container", "data-container", name="slm-dev-data")


def proposed(tmp_path: Path, ids: list[str], second: dict[str, Any] | str, *creates: dict[str, Any]) -> list[Outcome]:
    machine = Machine("dev", tmp_path)
    machine.record({"model": "phi4-mini"})
    pulumi = Pulumi(machine, list(creates) or [VOLUME], second)
    found = propose(pulumi, ids)  # type: ignore[arg-type]
    assert pulumi.given["config"]["slm:model"] == "phi4-mini", "the rest of the configuration stays"
    assert "slm:adopt" not in (machine.config()["config"]), "the machine's own configuration is not touched"
    return found


def test_what_pulumi_would_take_over_is_proposed_as_lines_of_a_stack_file(tmp_path: Path) -> None:
    second = {"steps": [{**VOLUME, "op": "import"}]}
    (one,) = proposed(tmp_path, ["slm-dev-data"], second)
    assert one == Outcome(Adoption(resource="data-volume", id="slm-dev-data"), "docker:index/volume:Volume", "")
    document = "config:\n  slm:x: 1\n" + adopt.written("dev", [one])
    assert yaml.safe_load(document)["config"]["slm:adopt"] == [{"resource": "data-volume", "id": "slm-dev-data"}]


def test_what_differs_is_told_in_pulumis_words_and_not_proposed(tmp_path: Path) -> None:
    said = {"urn": VOLUME["urn"], "severity": "warning", "message": "inputs to import do not match\nthe existing"}
    second = {"steps": [{**VOLUME, "op": "import"}], "diagnostics": [said]}
    (one,) = proposed(tmp_path, ["slm-dev-data"], second)
    assert one.problem == "inputs to import do not match the existing"
    for op, doing in {"update": "change", "replace": "REPLACE"}.items():
        second = {"steps": [{**VOLUME, "op": "import"}, {**VOLUME, "op": op, "diffReasons": ["labels"]}]}
        (one,) = proposed(tmp_path, ["slm-dev-data"], second)
        assert f"would then {doing} it: labels" in one.problem
    assert yaml.safe_load(adopt.written("dev", [one])) is None
    noted = [{**VOLUME, "op": "import"}, {**VOLUME, "op": "update", "detailedDiff": {"azureApiVersion": {}}}]
    (one,) = proposed(tmp_path, ["slm-dev-data"], {"steps": noted})
    assert one.problem == "", "what a provider notes for itself is no difference"
    (one,) = proposed(tmp_path, ["slm-dev-data"], {"steps": [VOLUME]})
    assert one.problem == "Pulumi would create it"
    (one,) = proposed(tmp_path, ["slm-dev-data"], {"steps": []})
    assert one.problem == "Pulumi said nothing of it"
    with pytest.raises(UserError, match="no such plugin"):
        proposed(tmp_path, ["slm-dev-data"], "error: no such plugin")


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (["slm-dev-data"], r"may be data-container, data-volume.*\n.*not guessed.*\n.*ID=.*=slm-dev-data"),
        (["nothing"], r"would make nothing that nothing could be.*\n.*nothing was written.*\n.*make preview STACK=dev"),
        (["data-volume="], "is no id"),
        (["data-volume=a", "data-volume=b"], "two ids are given for data-volume"),
    ],
)
def test_nothing_is_guessed(tmp_path: Path, ids: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        proposed(tmp_path, ids, {"steps": []}, VOLUME, CONTAINER)


@pytest.mark.parametrize(
    "entry", [{"resource": "a"}, {"resource": "", "id": "b"}, {"resource": "a", "id": "b", "ignore": ["not a path"]}]
)
def test_an_entry_of_the_stack_file_says_what_and_which(entry: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="adopt"):
        load("dev", PROJECT, {"slm:adopt": [entry]})


def test_ids_of_docker_and_azure_are_no_secrets() -> None:
    ids = ["0123456789abcdef" * 4, f"{GROUP}/providers/Microsoft.KeyVault/vaults/slm-prod-example"]
    entries = [{"resource": f"r{n}", "id": one, "ignore": ["labels"]} for n, one in enumerate(ids)]
    assert [one.id for one in load("dev", PROJECT, {"slm:adopt": entries}).adopt] == ids
