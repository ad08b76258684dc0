"""What the simulated cloud gives to objects, which of them are refused, and that a namespace takes all with it."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes import client

from tests.kubernetes.conftest import (
    Kube,
    deployment,
    pod,
    reason,
    wait,
)

pytestmark = pytest.mark.kubernetes


def test_pods_have_addresses_that_a_service_knows(kube: Kube) -> None:
    kube.apps.create_namespaced_deployment(kube.namespace, deployment("web", 2))
    service = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}
    kube.core.create_namespaced_service(kube.namespace, service)
    wait(lambda: len(kube.ready("app=web")) == 2, "two pods")
    discovery = client.DiscoveryV1Api(kube.api)

    def addresses() -> set[str]:
        slices = discovery.list_namespaced_endpoint_slice(kube.namespace).items
        return {a for s in slices for e in s.endpoints or () if e.conditions.ready for a in e.addresses}

    wait(lambda: len(addresses()) == 2, "the service to have two endpoints")
    assert addresses() == {p.status.pod_ip for p in kube.ready("app=web")}


def test_a_load_balancer_gets_a_private_address_when_it_asks_for_one(kube: Kube) -> None:
    internal = {"service.beta.kubernetes.io/azure-load-balancer-internal": "true"}
    for name, notes in (("private", internal), ("public", {})):
        service = {
            "metadata": {"name": name, "annotations": notes},
            "spec": {"type": "LoadBalancer", "selector": {"app": "x"}, "ports": [{"port": 443}]},
        }
        kube.core.create_namespaced_service(kube.namespace, service)

    def address(name: str) -> str:
        ingress = kube.core.read_namespaced_service(name, kube.namespace).status.load_balancer.ingress
        return str(ingress[0].ip) if ingress else ""

    assert wait(lambda: address("private"), "an address").startswith("10.224.")
    assert wait(lambda: address("public"), "an address").startswith("20.0.")
    for name in ("private", "public"):
        kube.core.delete_namespaced_service(name, kube.namespace)
    wait(lambda: not kube.core.list_namespaced_service(kube.namespace).items, "the services to go")


def claim(name: str, storage_class: str, size: str = "8Gi") -> dict[str, Any]:
    access = "ReadWriteMany" if "file" in storage_class else "ReadWriteOnce"
    return {
        "metadata": {"name": name},
        "spec": {
            "storageClassName": storage_class,
            "accessModes": [access],
            "resources": {"requests": {"storage": size}},
        },
    }


def test_a_share_binds_at_once_and_a_disk_when_a_pod_wants_it(kube: Kube) -> None:
    for name, storage_class in (("share", "azurefile-csi-premium"), ("disk", "managed-csi-premium")):
        kube.core.create_namespaced_persistent_volume_claim(kube.namespace, claim(name, storage_class))

    def phase(name: str) -> str:
        return str(kube.core.read_namespaced_persistent_volume_claim(name, kube.namespace).status.phase)

    wait(lambda: phase("share") == "Bound", "the share")
    assert phase("disk") == "Pending"
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "disk"}}]
    kube.core.create_namespaced_pod(kube.namespace, pod("user", volumes=volumes))
    wait(lambda: phase("disk") == "Bound", "the disk")
    wait(lambda: kube.ready(), "its pod")
    volume = kube.core.read_namespaced_persistent_volume_claim("disk", kube.namespace).spec.volume_name
    assert kube.core.read_persistent_volume(volume).spec.csi.driver == "disk.csi.azure.com"


def test_a_claim_that_asks_for_more_grows(kube: Kube) -> None:
    kube.core.create_namespaced_persistent_volume_claim(kube.namespace, claim("share", "azurefile-csi"))

    def capacity() -> str:
        found = kube.core.read_namespaced_persistent_volume_claim("share", kube.namespace).status.capacity
        return str((found or {}).get("storage"))

    wait(lambda: capacity() == "8Gi", "the share")
    more = {"spec": {"resources": {"requests": {"storage": "16Gi"}}}}
    kube.core.patch_namespaced_persistent_volume_claim("share", kube.namespace, more)
    wait(lambda: capacity() == "16Gi", "the share to grow")


def test_a_namespace_goes_with_all_it_holds(kube: Kube) -> None:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "disk"}}]
    kube.core.create_namespaced_persistent_volume_claim(kube.namespace, claim("disk", "managed-csi"))
    kube.apps.create_namespaced_deployment(kube.namespace, deployment("web", 1, volumes=volumes))
    service = {"metadata": {"name": "web"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}}
    kube.core.create_namespaced_service(kube.namespace, service)
    provided(kube)
    wait(lambda: kube.ready("app=web"), "a pod")
    volume = kube.core.read_namespaced_persistent_volume_claim("disk", kube.namespace).spec.volume_name
    kube.core.delete_namespace(kube.namespace)
    wait(lambda: kube.namespace not in names(kube.core.list_namespace()), "the namespace to go")
    wait(lambda: volume not in names(kube.core.list_persistent_volume()), "its disk to go")


def names(listed: Any) -> list[str]:
    return [item.metadata.name for item in listed.items]


def provided(kube: Kube, **spec: Any) -> Any:
    """A SecretProviderClass, created with the server's strictest checking of fields."""
    body = {
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": {"name": "vault"},
        "spec": {"provider": "azure", "parameters": {"keyvaultName": "v"}, **spec},
    }
    return client.CustomObjectsApi(kube.api).create_namespaced_custom_object(
        "secrets-store.csi.x-k8s.io", "v1", kube.namespace, "secretproviderclasses", body, field_validation="Strict"
    )


def test_a_pod_may_have_secrets_of_a_vault_in_a_restricted_namespace(kube: Kube) -> None:
    provided(kube)
    csi = {"driver": "secrets-store.csi.k8s.io", "readOnly": True, "volumeAttributes": {"secretProviderClass": "vault"}}
    kube.core.create_namespaced_pod(kube.namespace, pod("reader", volumes=[{"name": "secrets", "csi": csi}]))
    wait(lambda: kube.ready(), "the pod")


def test_a_misspelt_field_of_an_add_ons_object_is_refused(kube: Kube) -> None:
    with pytest.raises(client.ApiException) as refused:
        provided(kube, secretObject=[])
    assert 'unknown field "spec.secretObject"' in reason(refused)
    with pytest.raises(client.ApiException) as refused:
        provided(kube, parameters={"keyvaultName": 1})
    assert "spec.parameters.keyvaultName" in reason(refused)


@pytest.mark.parametrize(
    ("plural", "kind", "spec", "told"),
    [
        ("scaledobjects", "ScaledObject", {"triggers": []}, "spec.scaleTargetRef"),
        (
            "scaledobjects",
            "ScaledObject",
            {"scaleTargetRef": {"name": "a"}, "triggers": [], "minReplicas": 1},
            'unknown field "spec.minReplicas"',
        ),
        (
            "scaledobjects",
            "ScaledObject",
            {"scaleTargetRef": {"name": "a"}, "triggers": [{"type": "prometheus", "metadata": {"threshold": 5}}]},
            "spec.triggers[0].metadata.threshold",
        ),
        (
            "triggerauthentications",
            "TriggerAuthentication",
            {"podIdentity": {"provider": "azure"}},
            'supported values: "azure-workload"',
        ),
    ],
)
def test_a_wrong_object_of_keda_is_refused(kube: Kube, plural: str, kind: str, spec: dict[str, Any], told: str) -> None:
    body = {"apiVersion": "keda.sh/v1alpha1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    with pytest.raises(client.ApiException) as refused:
        client.CustomObjectsApi(kube.api).create_namespaced_custom_object(
            "keda.sh", "v1alpha1", kube.namespace, plural, body, field_validation="Strict"
        )
    assert told in reason(refused)
