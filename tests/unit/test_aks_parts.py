"""What an AKS target is made of, as pure functions: site, classes of storage, device plugin, names, teardown."""

from __future__ import annotations

from typing import Any

import pytest

from components.catalog.azure import azure
from components.targets.aks import device_plugin
from components.targets.aks.names import Names
from components.targets.aks.site import site_of
from components.targets.aks.storage import storage_classes
from components.targets.aks.teardown import protected, stays
from tests.unit.aks_samples import A100, GENERAL, GPU, T4, aks, pools

pytestmark = pytest.mark.unit


def test_the_site_names_pools_classes_vault_and_version() -> None:
    site = site_of(aks())
    assert (site.general.name, [pool.name for pool in site.gpu_pools]) == ("general", ["gpu"])
    assert site.general.taints == ()
    gpu = site.gpu_pools[0]
    assert (gpu.gpus, gpu.gpu_resource, gpu.max_nodes, gpu.spot) == (1, "nvidia.com/gpu", 2, False)
    assert gpu.labels == {"slm-pool": "gpu"}
    assert [(taint.key, taint.value) for taint in gpu.taints] == [("sku", "gpu")]
    assert site.vault is not None
    assert site.vault.name == "slm-test-vault"
    assert (site.storage_class, site.data_class, site.storage_access) == ("slm-weights", "slm-data", "ReadWriteOnce")
    assert site.pod_security_version == "v1.34"
    assert site.keda_namespace == "kube-system"


def test_a_pool_of_cut_gpus_offers_their_instances() -> None:
    cut = {"vm_size": A100, "gpus": 1, "max_nodes": 2, "mig_profile": "MIG2g"}
    (pool,) = site_of(aks(pools=pools(gpu=cut))).gpu_pools
    assert (pool.gpus, pool.gpu_resource, pool.capacity) == (3, "nvidia.com/mig-2g.20gb", 6)


def test_pools_of_the_site_are_in_the_order_by_which_settings_place_workloads() -> None:
    target = aks(pools=pools(pair={"vm_size": "Standard_NC48ads_A100_v4", "gpus": 2}))
    site = site_of(target)
    for gpus in (1, 2):
        first = next(pool.name for pool in site.gpu_pools if pool.gpus >= gpus)
        assert target.pool_for(gpus) == first


INTERNAL = "service.beta.kubernetes.io/azure-load-balancer-internal"


def test_control_33_the_way_in_is_internal_unless_ranges_are_named() -> None:
    inside = site_of(aks())
    assert (inside.exposure, inside.source_ranges) == ("internal", ())
    assert inside.load_balancer_annotations[INTERNAL] == "true"
    public = site_of(aks(exposure="public", source_ranges=("203.0.113.0/24",)))
    assert (public.exposure, public.source_ranges) == ("public", ("203.0.113.0/24",))
    assert INTERNAL not in public.load_balancer_annotations
    assert site_of(aks(exposure="none")).load_balancer_annotations == {}


def test_disks_are_in_all_zones_of_a_region_that_has_some() -> None:
    def skus(**fields: Any) -> list[str]:
        return [row["parameters"]["skuName"] for row in storage_classes(aks(**fields), Names("prod"))]

    assert skus() == ["Premium_ZRS", "Premium_ZRS"]
    assert skus(location="westus") == ["Premium_LRS", "Premium_LRS"]


def test_weights_lie_on_files_where_several_nodes_read_them_and_data_always_on_a_disk() -> None:
    weights, data = storage_classes(aks(storage="files"), Names("prod"))
    assert (weights["provisioner"], data["provisioner"]) == ("file.csi.azure.com", "disk.csi.azure.com")
    assert site_of(aks(storage="files")).storage_access == "ReadWriteMany"


def test_what_is_not_retained_is_deleted_with_its_claim() -> None:
    loose = aks(retain={"data": False, "vault": False})
    assert {row["reclaimPolicy"] for row in storage_classes(loose, Names("prod"))} == {"Delete"}
    assert site_of(loose).keep_volumes is False


def plugin(**gpu: Any) -> dict[str, Any]:
    found = {m["kind"]: m for m in device_plugin.manifests(aks(pools=pools(gpu={**GPU, **gpu})))}
    assert set(found) == {"Namespace", "ServiceAccount", "NetworkPolicy", "DaemonSet"}
    return found


def test_control_41_the_device_plugin_is_alone_in_a_namespace_that_reports_everything_else() -> None:
    found = plugin()
    assert {m["metadata"].get("namespace") for kind, m in found.items() if kind != "Namespace"} == {"slm-node-agents"}
    labels = found["Namespace"]["metadata"]["labels"]
    level = {key.rpartition("/")[2]: value for key, value in labels.items()}
    assert (level["enforce"], level["audit"], level["warn"]) == ("privileged", "restricted", "restricted")
    assert level["enforce-version"] == "v1.34"
    assert found["NetworkPolicy"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_control_41_it_has_no_more_than_it_needs() -> None:
    pod = plugin()["DaemonSet"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "seccompProfile": {"type": "RuntimeDefault"},
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert [volume["hostPath"]["path"] for volume in pod["volumes"]] == ["/var/lib/kubelet/device-plugins"]
    assert container["resources"]["limits"].keys() == {"cpu", "memory", "ephemeral-storage"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()


def test_control_41_only_cut_gpus_need_an_administrator_of_the_node() -> None:
    cut = plugin(vm_size=A100, mig_profile="MIG1g")["DaemonSet"]["spec"]["template"]["spec"]["containers"][0]
    assert cut["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["SYS_ADMIN"]}
    assert {"name": "MIG_STRATEGY", "value": "mixed"} in cut["env"]


def test_control_15_the_device_plugin_is_pinned_by_digest() -> None:
    image = plugin()["DaemonSet"]["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == azure().node_agents["device-plugin"].pinned
    assert "@sha256:" in image


def test_it_runs_on_every_node_with_gpus_and_on_no_other() -> None:
    target = aks(pools=pools(gpu={**GPU, "spot": True}, other=GENERAL, pair={"vm_size": T4, "gpus": 1}))
    pod = device_plugin.manifests(target)[-1]["spec"]["template"]["spec"]
    terms = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert terms == [{"matchExpressions": [{"key": "slm-pool", "operator": "In", "values": ["gpu", "pair"]}]}]
    assert {taint["key"] for taint in pod["tolerations"]} == {"sku", "kubernetes.azure.com/scalesetpriority"}


@pytest.mark.parametrize("stack", ["prod", "Review_17", "a" * 80])
def test_names_of_azure_stay_within_what_azure_allows(stack: str) -> None:
    prefix = Names(stack).dns_prefix
    assert len(prefix) <= 54
    assert prefix.replace("-", "").isalnum()
    assert prefix == prefix.lower()
    assert not prefix.endswith("-")


def test_control_68_a_teardown_says_what_it_leaves_and_how_that_goes() -> None:
    left = stays(aks(), "prod")
    assert [sentence.partition(" ")[0] for sentence in left] == ["key", "disks", "resource"]
    assert left[0] == (
        "key vault slm-test-vault with its secrets, in group slm-prod-data"
        " (adopt: true takes it over, az keyvault delete removes it)"
    )
    nothing = aks(retain={"vault": False, "data": False}, vault=None)
    assert stays(nothing, "prod") == []
    soft = stays(aks(retain={"vault": False, "data": False}), "prod")
    assert soft == [
        "key vault slm-test-vault, deleted and restorable for 90 days, its name taken (nothing removes it before)"
    ]
    loose = aks(retain={"vault": False, "data": False}, vault={"name": "slm-v", "purge_protection": False})
    assert "az keyvault purge --name slm-v" in stays(loose, "prod")[0]


def test_what_is_protected_is_named_by_the_words_of_the_stack_file() -> None:
    assert protected(aks()) == ["cluster", "vault", "data"]
    assert protected(aks(protect={"cluster": False})) == ["vault", "data"]
