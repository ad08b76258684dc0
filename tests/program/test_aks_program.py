"""A production stack on AKS as Pulumi sees it: the whole tree, complete, tidy, and accepted by Azure's rules."""

from __future__ import annotations

import cProfile
import json
import resource
import time
from collections import Counter
from pathlib import Path

import pytest

from components.targets.placement import Caller, Surroundings
from components.targets.spec import Aks
from rehearsal.providers.azure.catalogue import catalogue
from tests.program.aks_declared import (
    CANARY,
    WATCHED,
    Declare,
    FromZero,
    cluster,
    nodes,
    options,
    roles,
    workload,
)
from tests.program.aks_recorder import AksRecorder, OnStandIn
from tests.program.conftest import Run
from tests.unit.aks_samples import A100, GPU, T4, aks, pools
from tests.unit.standin_azure_samples import azure

pytestmark = pytest.mark.program


def test_the_tree_is_the_one_of_the_diagram(declare: Declare) -> None:
    recorder = declare(aks(kms=True))
    parts = [seen.type for seen in recorder.seen if seen.is_component and seen.parent == "cloud"]
    assert list(dict.fromkeys(parts)) == [
        "slm:aks:network",
        "slm:aks:identities",
        "slm:aks:vault",
        "slm:aks:privateendpoint",
        "slm:aks:registry",
        "slm:aks:logs",
        "slm:aks:cluster",
        "slm:aks:pool",
        "slm:aks:federation",
        "slm:aks:agents",
        "slm:target:kubernetes",
    ]
    counted = Counter(seen.type.split(":")[-1] for seen in recorder.seen if seen.type.startswith("azure-native:"))
    assert counted == {
        "ResourceGroup": 2,
        "VirtualNetwork": 1,
        "PublicIPAddress": 1,
        "NatGateway": 1,
        "Subnet": 3,
        "UserAssignedIdentity": 3,
        "Vault": 1,
        "Key": 1,
        "Registry": 1,
        "PrivateZone": 2,
        "VirtualNetworkLink": 2,
        "PrivateEndpoint": 2,
        "PrivateDnsZoneGroup": 2,
        "RoleAssignment": 10,
        "Workspace": 1,
        "ManagedCluster": 1,
        "MaintenanceConfiguration": 2,
        "AgentPool": 2,
    }


def test_no_resource_is_an_orphan_and_no_two_have_one_name(declare: Declare) -> None:
    recorder = declare(None, workload("chat", gpus=1))
    for seen in recorder.seen:
        assert seen.is_component or (seen.parent_type or "").startswith("slm:"), f"{seen.name} hangs nowhere"
    twice = [k for k, n in Counter((s.type, s.name, s.parent_type) for s in recorder.seen).items() if n > 1]
    assert twice == []


def test_control_69_every_resource_has_an_explicit_provider(declare: Declare) -> None:
    for seen in declare(None, workload("chat", gpus=1)).seen:
        if not seen.is_component and not seen.is_provider:
            assert seen.options.provider is not None, f"{seen.name} would use a default provider"


def test_no_resource_is_looked_for_under_the_names_of_older_versions(declare: Declare) -> None:
    seen = [one for one in declare(None, workload("chat", gpus=1)).seen if one.type.startswith("azure-native:")]
    assert len(seen) > 30
    assert {one.name: one.options.aliases for one in seen if one.options.aliases} == {}


def test_azures_own_changes_are_no_difference(declare: Declare) -> None:
    recorder = declare()
    assert options(recorder, "cloud-aks").ignore_changes == ["agentPoolProfiles"]
    assert options(recorder, "cloud-pool-gpu-nodes").ignore_changes == ["count"]
    recorder = declare(aks(upgrade_channel="stable"))
    assert options(recorder, "cloud-aks").ignore_changes == ["kubernetesVersion", "agentPoolProfiles"]
    assert options(recorder, "cloud-pool-gpu-nodes").ignore_changes == ["count", "orchestratorVersion"]


def test_what_azure_cannot_change_in_a_pool_makes_it_anew(declare: Declare) -> None:
    recorder = declare(aks(pools=pools(gpu={**GPU, "spot": True})))
    pool = "cloud-pool-gpu-nodes"
    given = {name for name, value in recorder.inputs[pool].items() if value is not None}
    refused = {path.partition(".")[0] for path in catalogue()["containerservice:AgentPool"].immutable}
    replaced = set(options(recorder, pool).replace_on_changes or ())
    # What is the same in every pool never changes.
    assert given & refused - {"osType", "type"} <= replaced
    assert options(recorder, pool).delete_before_replace


def test_a_preview_from_zero_asks_azure_for_nothing_and_shows_everything(declare: Declare) -> None:
    chat = workload("chat", gpus=1, secret="chat-key")
    zero = declare(None, chat, recorder=FromZero())
    assert zero.calls == []
    assert set(zero.inputs) == set(declare(None, chat).inputs)


def test_a_cluster_without_gpus_has_no_device_plugin(declare: Declare) -> None:
    plain = pools()
    del plain["gpu"]
    assert declare(aks(pools=plain)).of_type(":DaemonSet") == {}


def test_a_stack_without_vault_and_registry_has_neither(declare: Declare) -> None:
    recorder = declare(aks(vault=None, registry=None))
    for token in (":Vault", ":Registry", ":PrivateEndpoint", ":PrivateZone"):
        assert recorder.of_type(token) == {}, token


EVERY_POOL = pools(
    cut={"vm_size": A100, "gpus": 1, "mig_profile": "MIG1g"},
    spot={**GPU, "spot": True},
    linux={**GPU, "os_sku": "AzureLinux3"},
)


@pytest.mark.parametrize(
    "spec",
    [
        aks(kms=True, pools=EVERY_POOL),
        aks(private=False, authorized_ranges=("198.51.100.0/24",), vnet_integration=False, storage="files"),
        aks(vault=None, registry=None, tier="Free", upgrade_channel="stable"),
    ],
    ids=["kms and every kind of pool", "public with ranges", "least"],
)
def test_azures_rules_as_the_rehearsal_knows_them_accept_every_input(
    declare: Declare, tmp_path: Path, spec: Aks
) -> None:
    recorder = OnStandIn(azure=azure(tmp_path))
    declare(spec, workload("chat", gpus=1, secret="key" if spec.vault else ""), recorder=recorder)
    assert recorder.refused == []
    kept = recorder.azure.manager.store.all() if recorder.azure else []
    assert len(kept) >= len([s for s in recorder.seen if s.type.startswith("azure-native:")])


def test_control_52_azures_grafana_has_no_key_and_reads_the_workspace_alone(declare: Declare, tmp_path: Path) -> None:
    recorder = declare(aks(), recorder=OnStandIn(azure=azure(tmp_path)), watched=WATCHED)
    assert recorder.only(":Grafana")["properties"]["apiKey"] == "Disabled"
    assert roles(recorder)["grafana"]["scope"].endswith("/accounts/slm-prod-metrics")
    bare = declare(aks())
    assert not bare.of_type(":Grafana")
    assert "azureMonitorProfile" not in cluster(bare)


def test_control_48_only_azures_agent_reaches_what_prometheus_would(declare: Declare) -> None:
    recorder = AksRecorder()
    around = Surroundings(callers=(Caller("gateway"), Caller("prometheus")))
    declare(aks(), workload("watched"), recorder=recorder, watched=WATCHED, around=around)
    policies = {one["metadata"]["name"]: one["spec"] for one in recorder.of_type(":NetworkPolicy").values()}
    agent = policies["to-watched"]["ingress"][1]["from"][0]
    assert agent["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "kube-system"}
    assert agent["podSelector"]["matchLabels"] == {"rsName": "ama-metrics"}
    assert "from-gateway-to-watched" in policies
    assert "from-prometheus-to-watched" not in policies


IMAGES = {role: f"slmprodexample.azurecr.io/slm/{role}:1@sha256:{'f' * 64}" for role in ("fetch", "ollama-exporter")}


def test_the_committed_production_stack_declares_all_of_it(run_program: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.program.conftest.Recorder", AksRecorder)
    recorder = run_program(
        "prod",
        config={
            "slm:images": json.dumps(IMAGES),
            "slm:security": json.dumps({"allow_registries": ["docker.io", "slmprodexample.azurecr.io"]}),
        },
        keys={"key-1": CANARY},
    )
    assert isinstance(recorder, AksRecorder)
    assert set(nodes(recorder)) == {"system", "general", "gpu"}
    assert recorder.only(":AzureMonitorWorkspace")
    (mailed,) = recorder.only(":ActionGroup")["emailReceivers"]
    assert mailed["emailAddress"] == "operations@example.com"
    services = {inputs["metadata"]["name"]: inputs for inputs in recorder.of_type(":Service").values()}
    (balancer,) = [service for service in services.values() if service["spec"].get("type") == "LoadBalancer"]
    assert balancer["metadata"]["annotations"]["service.beta.kubernetes.io/azure-load-balancer-internal"] == "true"
    pods = {name: inputs["spec"]["template"]["spec"] for name, inputs in recorder.of_type(":Deployment").items()}
    assert {pod["nodeSelector"]["slm-pool"] for pod in pods.values()} == {"general", "gpu"}
    (gateway,) = [inputs for inputs in recorder.of_type(":SecretProviderClass").values()]
    asked = gateway["spec"]["parameters"]["objects"]
    assert all(name in asked for name in ("gateway-keys", "gateway-certificate", "gateway-certificate-key"))
    assert CANARY not in json.dumps(recorder.inputs, default=str)
    for seen in recorder.seen:
        assert seen.is_component or seen.is_provider or seen.options.provider is not None, seen.name


def test_an_aks_of_several_pools_makes_one_after_the_other(declare: Declare) -> None:
    recorder = declare(aks(pools=pools(pair={"vm_size": "Standard_NC48ads_A100_v4", "gpus": 2})))
    waits = {
        name: [d._name for d in options(recorder, f"cloud-pool-{name}-nodes").depends_on]  # type: ignore[union-attr]
        for name in ("general", "gpu", "pair")
    }
    assert waits == {
        "general": ["cloud-upgrades-nodes"],
        "gpu": ["cloud-pool-general-nodes"],
        "pair": ["cloud-pool-gpu-nodes"],
    }


@pytest.mark.alone
def test_a_hundred_engines_take_a_hundred_times_one(declare: Declare) -> None:
    wide = aks(pools=pools(gpu={"vm_size": T4, "gpus": 1, "max_nodes": 200}))

    def work(count: int) -> tuple[int, float]:
        """Calls of functions, which are the same on a busy machine, and seconds of processor time."""
        before, profile = time.process_time(), cProfile.Profile()
        with profile:
            recorder = declare(wide, *(workload(f"engine-{number}", gpus=1) for number in range(count)))
        assert len(recorder.of_type(":Deployment")) == count
        return sum(entry.callcount for entry in profile.getstats()), time.process_time() - before

    work(1)  # Imports are done once, by whoever is first.
    (few, _), (more, _), (many, seconds) = work(20), work(60), work(100)
    assert seconds < 30
    assert more - few > 1_000_000, "the work is counted"
    assert many - more < (more - few) * 1.1, f"20 take {few} calls, 60 take {more} and 100 take {many}"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2_000_000, "kilobytes"
