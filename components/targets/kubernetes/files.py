"""Configuration and secret files of a workload: in one directory, as in every target, readable by its group (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from components.targets.kubernetes.names import Manifest, Names, content_hash
from components.targets.kubernetes.site import Vault
from components.targets.placement import UnsupportedError
from components.workload import FILES_DIRECTORY, Workload

MODE = 0o440
"""Of files: root's, and readable by the pod's own group (control 32)."""

MOST_BYTES = 1024 * 1024
"""What etcd takes of one object."""

VAULT_DIRECTORY = "/var/run/slm-vault"
VAULT_DRIVER = "secrets-store.csi.k8s.io"


def config_map(workload: Workload, names: Names) -> Manifest | None:
    """Its files; None when it has none. The name changes with the content, so a change starts new pods, and old ones
    that start again in the meantime still find what was deployed with them.

    Raises UnsupportedError for files too large for an object of the cluster.
    """
    if not workload.files:
        return None
    data = {file.name: file.content for file in workload.files}
    size = sum(len(content.encode()) for content in data.values())
    if size > MOST_BYTES:
        raise UnsupportedError(
            f"workload '{workload.name}' has {size} bytes of files, and Kubernetes keeps at most {MOST_BYTES} in one"
            f" object of namespace '{names.namespace}' — make them smaller, or put them into a volume"
        )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": names.metadata(f"{workload.name}-files-{content_hash(data)}", workload.name),
        "immutable": True,
        "data": data,
    }


def secret_name(workload: Workload) -> str:
    """The name of its Secret, which stays when the content changes: running pods then get the new files."""
    return f"{workload.name}-secrets"


def secret(workload: Workload, names: Names, contents: Mapping[str, Any]) -> Manifest:
    """Its secret files, where the stack's configuration holds them. `contents` are in base64, by file name."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": names.metadata(secret_name(workload), workload.name),
        "type": "Opaque",
        "data": dict(contents),
    }


def vault_object(name: str) -> str:
    """The name a secret has in the key vault, where only letters, digits and dashes are allowed."""
    return re.sub(r"[^A-Za-z0-9-]", "-", name)


def vault_class(workload: Workload, names: Names, vault: Vault, client_id: Any, tenant_id: Any) -> Manifest:
    """What its pods get from the key vault (control 58): the CSI driver asks for it with the pod's own identity.

    The driver also keeps a Secret in step with the vault. Files of both kinds then lie in one directory, and a changed
    value reaches running pods, which it does not where a single file of the driver's volume is mounted.
    """
    objects = [
        yaml.safe_dump(
            {"objectName": vault_object(s.secret), "objectType": "secret", "objectAlias": s.name}, sort_keys=False
        )
        for s in workload.secrets
    ]
    return {
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": names.metadata(secret_name(workload), workload.name),
        "spec": {
            "provider": "azure",
            "parameters": {
                "usePodIdentity": "false",
                "useVMManagedIdentity": "false",
                "clientID": client_id,
                "tenantId": tenant_id,
                "keyvaultName": vault.name,
                "objects": yaml.safe_dump({"array": objects}),
            },
            "secretObjects": [
                {
                    "secretName": secret_name(workload),
                    "type": "Opaque",
                    "labels": names.labels(workload.name),
                    "data": [{"objectName": s.name, "key": s.name} for s in workload.secrets],
                }
            ],
        },
    }


def file_volumes(workload: Workload, names: Names) -> tuple[list[Manifest], list[Manifest]]:
    """The pod's volumes with its files, and where they are mounted."""
    sources: list[Manifest] = []
    if files := config_map(workload, names):
        sources.append({"configMap": {"name": files["metadata"]["name"]}})
    if workload.secrets:
        sources.append({"secret": {"name": secret_name(workload)}})
    if not sources:
        return [], []
    volumes: list[Manifest] = [{"name": "files", "projected": {"sources": sources, "defaultMode": MODE}}]
    mounts: list[Manifest] = [{"name": "files", "mountPath": FILES_DIRECTORY, "readOnly": True}]
    if workload.secrets and names.site.vault:
        attributes = {"secretProviderClass": secret_name(workload)}
        volumes.append(
            {"name": "vault", "csi": {"driver": VAULT_DRIVER, "readOnly": True, "volumeAttributes": attributes}}
        )
        # Nothing is asked of the vault for a volume that no container mounts.
        mounts.append({"name": "vault", "mountPath": VAULT_DIRECTORY, "readOnly": True})
    return volumes, mounts
