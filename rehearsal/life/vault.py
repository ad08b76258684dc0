"""The key vault's contents, and the CSI driver that brings them to pods: Azure's data plane, which nothing simulates.

The driver asks as Azure would: whoever a pod is, by its service account's federated credential, must have a role on the
vault. Only then does a Secret get its content, as the driver's `secretObjects` say.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from components.settings import Settings
from components.targets.kubernetes.files import vault_object
from ops.secrets import keys
from ops.secrets.vault import content_of, fill, wanted
from rehearsal.control_plane.api import Api, Object, Refused
from rehearsal.providers.azure import arm_ids
from rehearsal.providers.azure.cloud import Cloud
from rehearsal.providers.azure.store import Record

READER = "4633458b-17de-408a-b874-0445c86b69e6"
"""Azure's id of the role Key Vault Secrets User."""

CLASSES = "/apis/secrets-store.csi.x-k8s.io/v1/secretproviderclasses"


@dataclass
class Vault:
    """The vault's secrets by name: a `Store` as the commands use Azure's own. `canaries` are values, by name, that must
    be found nowhere else; `keys` are the API keys that people hold.
    """

    settings: Settings
    stack: str
    contents: dict[str, str] = field(default_factory=dict)
    canaries: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings, stack: str) -> Vault:
        """A value for every secret of the stack, all of them made up."""
        made = cls(settings, stack)
        tls = settings.gateway.tls
        for name in settings.secret_names():
            made.given[name] = f"canary-{secrets.token_hex(24)}"
        if tls:
            made.given[tls.certificate], made.given[tls.key] = _certificate(settings.gateway.hosts)
        for name, value in made.given.items():
            if tls is None or name != tls.certificate:
                # Of a key in PEM a whole line: others are the same in every key, or end in another place elsewhere.
                made.canaries[name] = value.splitlines()[2] if tls and name == tls.key else value
        made.add_key()
        return made

    def get(self, name: str) -> str | None:
        """The current content, None where there is none."""
        return self.contents.get(vault_object(name))

    def set(self, name: str, content: str) -> None:
        """A new version of the content."""
        self.contents[vault_object(name)] = content

    def add_key(self) -> str:
        """Another API key beside those there are, brought into the vault as the commands do it; its id."""
        self.keys = keys.with_another(self.keys)
        self.canaries |= self.keys
        self._fill()
        return list(self.keys)[-1]

    def retire_old_keys(self) -> list[str]:
        """Leave only the newest key; the ids of those that open nothing any more."""
        *old, newest = self.keys
        self.keys = {newest: self.keys[newest]}
        self._fill()
        return old

    def _fill(self) -> None:
        contents = {name: content_of(name, self.keys, {}, self.given) for name in wanted(self.settings, self.stack)}
        fill(self, {name: content for name, content in contents.items() if content is not None})


@dataclass
class Driver:
    """The CSI driver of one cluster. `refusals` are the reasons why it gave nothing, by class."""

    cloud: Cloud
    vault: Vault
    refusals: dict[str, str] = field(default_factory=dict)
    given: dict[str, list[str]] = field(default_factory=dict)

    def sync(self, api: Api) -> None:
        """Bring every Secret that a pod's volume asks for into step with the vault."""
        pods = api.items("/api/v1/pods")
        for declared in api.items(CLASSES):
            namespace, name = declared["metadata"]["namespace"], declared["metadata"]["name"]
            for account in sorted({_account(pod) for pod in pods if _mounts(pod, namespace, name)}):
                place = f"{namespace}/{name}"
                try:
                    values = self._asked(declared, namespace, account)
                except PermissionError as error:
                    self.refusals[place] = str(error)
                    continue
                self.refusals.pop(place, None)
                self.given[place] = sorted(values)
                for kept in declared["spec"].get("secretObjects", ()):
                    _write(api, namespace, kept, values)

    def _asked(self, declared: Object, namespace: str, account: str) -> dict[str, str]:
        parameters = declared["spec"]["parameters"]
        self._may_read(parameters, namespace, account)
        found = {}
        for text in yaml.safe_load(parameters["objects"])["array"]:
            asked = yaml.safe_load(text)
            if (name := asked["objectName"]) not in self.vault.contents:
                raise PermissionError(f"secret {name} is not in vault {parameters['keyvaultName']}")
            found[asked.get("objectAlias") or name] = self.vault.contents[name]
        return found

    def _may_read(self, parameters: dict[str, str], namespace: str, account: str) -> None:
        """Raise PermissionError with Azure's reason unless the service account may read the vault."""
        vault = self._one("keyvault:Vault", lambda r: r.name == parameters["keyvaultName"], "such vault")
        identity = self._one(
            "managedidentity:UserAssignedIdentity",
            lambda r: r.outputs.get("clientId") == parameters["clientID"],
            f"identity with the client id {parameters['clientID']}",
        )
        cluster = self._one("containerservice:ManagedCluster", lambda _: True, "cluster")
        issuer = cluster.outputs["oidcIssuerProfile"].get("issuerURL")
        subject = f"system:serviceaccount:{namespace}:{account}"
        self._one(
            "managedidentity:FederatedIdentityCredential",
            lambda r: (
                arm_ids.below(r.id, identity.id)
                and (r.inputs.get("subject"), r.inputs.get("issuer")) == (subject, issuer)
            ),
            f"federated credential of {identity.name} for {subject} from {issuer} (AADSTS70021)",
        )
        self._one(
            "authorization:RoleAssignment",
            lambda r: (
                arm_ids.below(r.id, vault.id)
                and r.inputs.get("principalId") == identity.outputs.get("principalId")
                and str(r.inputs.get("roleDefinitionId", "")).endswith(READER)
            ),
            f"role for {identity.name} on {vault.name} that lets it read secrets (ForbiddenByRbac)",
        )

    def _one(self, resource_type: str, fits: Any, what: str) -> Record:
        for record in self.cloud.resources(resource_type):
            if fits(record):
                return record
        raise PermissionError(f"there is no {what}")


def _mounts(pod: Object, namespace: str, name: str) -> bool:
    volumes = pod["spec"].get("volumes", ())
    asked = [v["csi"].get("volumeAttributes", {}).get("secretProviderClass") for v in volumes if "csi" in v]
    return bool(pod["metadata"]["namespace"] == namespace and pod["spec"].get("nodeName") and name in asked)


def _account(pod: Object) -> str:
    return str(pod["spec"].get("serviceAccountName", "default"))


def _write(api: Api, namespace: str, kept: Object, values: dict[str, str]) -> None:
    data = {entry["key"]: base64.b64encode(values[entry["objectName"]].encode()).decode() for entry in kept["data"]}
    path, name = f"/api/v1/namespaces/{namespace}/secrets", kept["secretName"]
    try:
        if api.get(f"{path}/{name}").get("data") != data:
            api.merge(f"{path}/{name}", {"data": data})
    except Refused as refusal:
        if refusal.reason != "NotFound":
            raise
        metadata = {"name": name, "labels": kept.get("labels", {})}
        api.create(path, {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": data})


def _certificate(hosts: tuple[str, ...]) -> tuple[str, str]:
    """A certificate for the hosts, signed by itself, and its key, both in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now)
    made = builder.not_valid_after(now + timedelta(days=7)).sign(key, hashes.SHA256())
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return made.public_bytes(serialization.Encoding.PEM).decode(), private.decode()
