"""The azure-native stand-in under the real Pulumi command line, engine and language host."""

from __future__ import annotations

import base64
import shlex
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml

from rehearsal.control_plane.pools import SimulatedPool
from tests.rehearsal.azure_project import LOCAL_KUBECONFIG, AzureProject, standin_process

pytestmark = pytest.mark.rehearsal
ROOT = Path(__file__).parents[2]
GROUP = "resources:ResourceGroup"
POOL = "containerservice:AgentPool"
IDENTITY = "managedidentity:UserAssignedIdentity"
CREDENTIAL = "managedidentity:FederatedIdentityCredential"


@pytest.fixture
def identities(home: Path, tmp_path: Path) -> AzureProject:
    return AzureProject(tmp_path / "project", home, "identities")


def test_an_up_gives_a_program_what_it_needs(aks: AzureProject) -> None:
    outputs = aks.outputs()
    assert outputs["vault"] == "https://slm-vault.vault.azure.net/"
    assert outputs["issuer"].startswith("https://westeurope.oic.prod-aks.azure.com/")
    assert len(outputs["kubelet"]) == 36
    config = yaml.safe_load(base64.b64decode(outputs["kubeconfig"]))
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"
    assert config["users"][0]["user"]["exec"]["command"] == "kubelogin"


def test_an_up_tells_the_simulated_nodes_about_their_pools(aks: AzureProject) -> None:
    (cluster,) = aks.cloud.pools()["clusters"]
    pools = {entry["pool"]["name"]: SimulatedPool.model_validate(entry["pool"]) for entry in cluster["pools"]}
    assert (pools["system"].min_nodes, pools["gpu"].max_nodes, pools["gpu"].gpus) == (3, 2, 1)


def test_a_preview_after_it_shows_nothing(aks: AzureProject) -> None:
    aks.pulumi("preview", "--expect-no-changes").must_succeed()


def test_a_secret_is_nowhere_in_plain(aks: AzureProject) -> None:
    written = aks.files()
    assert "correct-horse-battery" not in written
    assert "the-token-of-the-control-plane" in written  # The text that is searched does hold what was written.
    state = aks.state()["secret"]
    assert "ciphertext" in state["inputs"]["properties"]["value"]
    assert "value" not in state["outputs"]["properties"]


def test_a_preview_from_zero_makes_nothing_and_knows_nothing_of_azure(home: Path, tmp_path: Path) -> None:
    fresh = AzureProject(tmp_path / "project", home, "aks")
    steps = fresh.preview()
    assert set(steps) >= {"group", "net", "nodes", "identity", "vault", "secret", "cluster", "gpu", "federated", "role"}
    assert {step for ops in steps.values() for step in ops} == {"create"}
    assert fresh.cloud.resources() == []


def test_nodes_that_the_autoscaler_added_are_no_change(aks: AzureProject) -> None:
    aks.cloud.set_node_count(aks.cloud.find(POOL, "gpu").id, 2)
    aks.refresh().must_succeed()
    assert aks.state()["gpu"]["outputs"]["count"] == 2
    steps = aks.preview()
    assert "gpu" not in steps
    # As with Azure: a refresh finds the pool in its cluster too, and the program has it not in there.
    assert steps["cluster"] == ["update"]
    aks.up().must_succeed()
    assert aks.cloud.read(aks.cloud.find(POOL, "gpu").id)["count"] == 2
    aks.pulumi("preview", "--expect-no-changes").must_succeed()


def test_another_vm_size_replaces_the_pool_and_the_old_one_goes_first(aks: AzureProject) -> None:
    before = aks.cloud.find(POOL, "gpu").born
    aks.turn(size="Standard_NC8as_T4_v3")
    assert aks.preview() == {"gpu": ["replace"]}
    done = aks.up().must_succeed().text
    assert done.index("deleted original") < done.index("creating replacement")
    assert aks.cloud.find(POOL, "gpu").born != before
    aks.turn()
    aks.up().must_succeed()


def test_what_azure_does_not_change_fails_and_is_replaced_where_the_program_says_so(aks: AzureProject) -> None:
    aks.turn(disk="Ephemeral")
    assert aks.preview() == {"gpu": ["update"]}
    aks.up().must_fail("Status=400", 'Code="PropertyChangeNotAllowed"', "Changing property 'properties.osDiskType'")
    aks.turn(disk="Ephemeral", replace=["osDiskType"])
    assert aks.preview() == {"gpu": ["replace"]}
    aks.turn()
    aks.pulumi("preview", "--expect-no-changes").must_succeed()


@pytest.mark.parametrize(
    ("mistakes", "words"),
    [
        (
            "shapes",
            [
                "'count' should be an integer but got 'abc'",
                "unknown property 'gpuProfile.drvier'; did you mean 'driver'?",
                "'Ubunut' is no value of 'osSKU'; did you mean 'Ubuntu'?",
            ],
        ),
        (
            "rules",
            [
                "1 to 12 lower-case letters and digits",
                "did you mean 'Standard_NC4as_T4_v3'?",
                "a spot pool cannot be a system pool",
            ],
        ),
    ],
)
def test_mistakes_that_the_sdk_takes_are_found_by_a_preview(
    home: Path, tmp_path: Path, mistakes: str, words: list[str]
) -> None:
    project = AzureProject(tmp_path / "project", home, "mistakes", mistakes=mistakes)
    project.pulumi("preview").must_fail(*words)


def test_refusals_are_one_sentence_with_their_code_and_the_next_up_goes_on(identities: AzureProject) -> None:
    codes = {
        "quota": ("quota_exceeded", "QuotaExceeded"),
        "sku": ("sku_not_available", "SkuNotAvailable"),
        "busy": ("conflict", "OperationNotAllowed"),
        "often": ("throttled", "TooManyRequests"),
        "late": ("token_expired", "ExpiredAuthenticationToken"),
        "held": ("locked", "ScopeLocked"),
    }
    identities.turn(identities=["good", *codes])
    identities.faults(
        *({"type": IDENTITY, "name": name, "fault": kind, "times": 1} for name, (kind, _) in codes.items()),
        {"name": "good", "fault": "slow", "seconds": 1, "times": 1},
    )
    failed = identities.up("--continue-on-error")
    failed.must_fail(*(f'Code="{code}" Message="' for _, code in codes.values()))
    assert {record.name for record in identities.cloud.resources(IDENTITY)} == {"good"}
    identities.up().must_succeed()
    assert {record.name for record in identities.cloud.resources(IDENTITY)} == {"good", *codes}


def test_a_creation_that_ends_half_way_is_in_the_state_and_mended_by_the_next_up(identities: AzureProject) -> None:
    identities.turn(identities=["half"])
    identities.faults({"type": IDENTITY, "fault": "half_done", "times": 1})
    identities.up().must_fail('Code="ProvisioningFailed"')
    half = identities.state()["half"]
    assert half["id"] == identities.cloud.find(IDENTITY, "half").id
    assert half["initErrors"]
    assert identities.preview() == {"half": ["update"]}
    identities.up().must_succeed()
    assert "initErrors" not in identities.state()["half"]
    identities.pulumi("preview", "--expect-no-changes").must_succeed()


def test_credentials_of_one_identity_must_be_in_order(identities: AzureProject) -> None:
    (identities.azure / "subscription.toml").write_text("credential_seconds = 6\n")
    identities.turn(credentials=["one", "two"])
    code = "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity"
    identities.up().must_fail(f'Status=409 Code="{code}"')
    assert len(identities.cloud.resources(CREDENTIAL)) == 1
    identities.up().must_succeed()
    (identities.azure / "subscription.toml").write_text("credential_seconds = 0\n")
    identities.turn(credentials=["one", "two", "three", "four"], in_order=True)
    identities.up().must_succeed()
    assert len(identities.cloud.resources(CREDENTIAL)) == 4


def test_a_lock_blocks_a_destroy_until_it_is_taken_away(identities: AzureProject) -> None:
    identities.turn(identities=["one"])
    identities.up().must_succeed()
    lock = identities.cloud.lock(identities.cloud.find(GROUP, "slm").id)
    identities.destroy().must_fail('Code="ScopeLocked"')
    identities.cloud.delete(lock)
    identities.destroy().must_succeed()
    assert identities.cloud.resources() == []


def test_what_was_deleted_behind_pulumis_back_is_made_again(identities: AzureProject) -> None:
    identities.turn(identities=["one"])
    identities.up().must_succeed()
    identities.cloud.delete(identities.cloud.find(IDENTITY, "one").id)
    identities.refresh().must_succeed()
    assert identities.preview() == {"one": ["create"]}
    identities.up().must_succeed()


def test_a_destroy_leaves_nothing_but_the_deleted_vault_whose_name_stays_taken(home: Path, tmp_path: Path) -> None:
    project = AzureProject(tmp_path / "project", home, "aks")
    (project.azure / "kubeconfig").write_text(yaml.safe_dump(LOCAL_KUBECONFIG))
    project.up().must_succeed()
    project.destroy().must_succeed()
    assert project.cloud.resources() == []
    assert {record.name for record in project.cloud.soft_deleted()} == {"slm-vault", "key"}
    project.up().must_fail('Code="ConflictError" Message="A vault with the same name already exists in deleted state.')
    for record in project.cloud.soft_deleted():
        project.cloud.purge(record.id)
    project.up().must_succeed()
    project.destroy().must_succeed()


def test_the_stand_in_is_ready_at_once(home: Path, tmp_path: Path) -> None:
    imports = "import time, grpc; from pulumi.runtime.proto import provider_pb2_grpc; print(time.process_time())"
    told = subprocess.run([sys.executable, "-c", imports], cwd=ROOT, capture_output=True, text=True, check=True)
    process = standin_process(tmp_path)
    try:
        assert process.stdout
        assert int(process.stdout.readline()) > 0
        used = psutil.Process(process.pid).cpu_times()
    finally:
        process.terminate()
        process.communicate(timeout=60)
    # Of the processor, since a clock would measure what else this machine does. Half of it is Pulumi's SDK,
    # which tells how slow this processor is, or the half of a core that is left of it.
    assert used.user + used.system < max(2.5, 4 * float(told.stdout))


def test_it_ends_with_an_engine_that_was_killed(home: Path, tmp_path: Path) -> None:
    command = f"{shlex.quote(sys.executable)} -m rehearsal.providers.azure 127.0.0.1:1 & echo $!; wait"
    engine = subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert engine.stdout
    stand_in = psutil.Process(int(engine.stdout.readline()))
    assert int(engine.stdout.readline()) > 0
    engine.kill()
    engine.wait()
    engine.stdout.close()
    assert psutil.wait_procs([stand_in], timeout=60)[1] == []


def test_it_says_what_it_is_when_nobody_told_it_which_azure_to_be(identities: AzureProject) -> None:
    identities.knows_azure = False
    identities.pulumi("preview").must_fail(
        "this is the azure-native stand-in, and SLM_REHEARSAL_AZURE names no directory"
    )
