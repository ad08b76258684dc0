"""Realise workloads on a Kubernetes cluster: the manifests of the pure modules, in the order they depend on each other.

Namespace and denials come first, then what a volume's jobs need, the jobs to their end one after the other, and last
the service's own pods.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi import Output, Resource, ResourceOptions

from components.targets.kubernetes.agents import as_agent, view_rights
from components.targets.kubernetes.contents import REVISION_ANNOTATION, encoded, revision
from components.targets.kubernetes.controllers import controller, disruption_budget, job
from components.targets.kubernetes.files import config_map, secret, vault_class
from components.targets.kubernetes.identity import VaultIdentity
from components.targets.kubernetes.names import Manifest, Names
from components.targets.kubernetes.namespace import base_policies, namespace, priority_classes
from components.targets.kubernetes.network import outside_service, policies, services
from components.targets.kubernetes.objects import declare
from components.targets.kubernetes.probes import grace_seconds
from components.targets.kubernetes.rollout import job_seconds, service_seconds
from components.targets.kubernetes.scaling import advisor, scaler
from components.targets.kubernetes.security import service_account
from components.targets.kubernetes.site import ClusterSite
from components.targets.kubernetes.storage import claim, shared_volumes
from components.targets.placement import Exposure, Placement, Scale, Secrets, Surroundings, UnsupportedError
from components.workload import Volume, Workload


class KubernetesCluster(pulumi.ComponentResource):
    """One namespace of one cluster as a target."""

    def __init__(
        self,
        name: str,
        site: ClusterSite,
        stack: str,
        provider: kubernetes.Provider,
        *,
        vault_identity: VaultIdentity | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        """`vault_identity` is needed where the site has a vault. Raises UnsupportedError without it."""
        super().__init__("slm:target:kubernetes", name, None, opts)
        if site.vault and vault_identity is None:
            raise UnsupportedError(
                f"target '{name}' keeps secrets in vault '{site.vault.name}', and no identity is given that may read it"
                " — give the cluster one, or keep secrets in the stack's configuration"
            )
        self.names = Names(site, stack)
        self._name, self._provider, self._identity = name, provider, vault_identity
        self._volumes: dict[str, Resource] = {}
        self._addresses: dict[str, Output[str]] = {}
        self._here: list[Resource] = []
        here = self._declare(f"{name}-namespace", namespace(self.names), self, retain_on_delete=site.keep_volumes)
        self._here.append(here)
        first = [
            self._declare(
                f"{name}-{manifest['metadata']['name'].removeprefix(f'{self.names.namespace}-')}", manifest, self
            )
            for manifest in (*priority_classes(self.names), *base_policies(self.names))
        ]
        self._before_pods: list[Resource] = [here, *first]
        self._apart: list[Resource] = []
        self.register_outputs({})

    @property
    def stack(self) -> str:
        """The name of the stack."""
        return self.names.stack

    def resolver(self) -> None:
        """The cluster's own, which every pod knows."""
        return self.names.resolver()

    def host_of(self, name: str) -> str:
        """The name of a workload's Service."""
        return self.names.host_of(name)

    def copies_host_of(self, name: str) -> str:
        """The name that stands for each copy of an exposed workload."""
        return self.names.copies_host_of(name)

    def agent_host_of(self, name: str) -> str:
        """The name of the Service of an agent of the nodes."""
        return self.names.agent_host_of(name)

    def addresses_of(self, scale: Scale) -> int:
        """How many pods a Service's name can stand for at once."""
        return self.names.addresses_of(scale)

    def outside(self, exposure: Exposure) -> str:
        """Host and port by which clients call an exposed workload."""
        return self.names.outside(exposure)

    def address(self, name: str) -> Output[str] | None:
        """What the load balancer in front of an exposed workload was given."""
        return self._addresses.get(name)

    def run(self, workload: Workload, at: Placement) -> Output[str]:
        """Realise a service; gives the id of what keeps its pods running, once they are ready."""
        names, workload = self.names.of(agent=at.around.is_agent), as_agent(workload, at.around.view)
        if any(one.agent for one in at.around.callers) or names.agents:
            self._place_for_agents()
        filled = [self._volume(volume, workload, at) for volume in shared_volumes(workload)]
        before = self._beginning(workload, at.around, at.secrets, at.parent, names)
        for manifest in services(workload, at.around, names):
            self._declare(f"{manifest['metadata']['name']}-service", manifest, at.parent)
        made = controller(workload, at.around, names, self._annotations(workload, at.secrets))
        seconds = service_seconds(workload, at.around.scale)
        pods = self._declare(
            f"{workload.name}-{made['kind'].lower()}",
            made,
            at.parent,
            depends_on=[*self._before_pods, *before, *filled],
            custom_timeouts=_timeouts(seconds, grace_seconds(workload)),
        )
        if not at.around.on_each:
            self._declare(f"{workload.name}-disruption", disruption_budget(workload, names), at.parent)
        if scaling := scaler(workload, at.around, made["kind"], names):
            self._declare(f"{workload.name}-scaler", scaling, at.parent, depends_on=[pods])
        if advice := advisor(workload, at.around, made["kind"], names):
            self._declare(f"{workload.name}-advisor", advice, at.parent, depends_on=[pods])
        if at.around.exposure and (outside := outside_service(workload, at.around.exposure, names)):
            # A load balancer is told that somebody is behind it once somebody is.
            balancer = self._declare(f"{workload.name}-outside", outside, at.parent, depends_on=[pods])
            self._addresses[workload.name] = _address(balancer)
        return pods.id

    def _place_for_agents(self) -> None:
        """The namespace of the nodes' agents, which only a stack with some has (control 41)."""
        if self._apart:
            return
        names, name = self.names.of(agent=True), f"{self._name}-agents"
        here = self._declare(f"{name}-namespace", namespace(names), self)
        # Policies of the stack's own workloads lie there too, so everything after comes after it.
        self._here.append(here)
        self._apart = [here]
        self._apart += [self._declare(f"{name}-{one['metadata']['name']}", one, self) for one in base_policies(names)]
        self._before_pods += self._apart

    def _beginning(
        self, workload: Workload, around: Surroundings, secrets: Secrets, parent: Resource, names: Names
    ) -> list[Resource]:
        """What must be there before its pods: identity, files, secrets, rights, and what it may reach."""
        account = self._declare(f"{workload.name}-account", service_account(workload, names), parent)
        found: list[Resource] = [account]
        for right in view_rights(workload, around.view, names):
            name = f"{workload.name}-{right['kind'].lower()}"
            found.append(self._declare(name, right, parent, depends_on=found[-1:]))
        if files := config_map(workload, names):
            found.append(self._declare(f"{workload.name}-files", files, parent))
        if workload.secrets:
            found += self._secrets(workload, secrets, parent)
        for manifest in policies(workload, around, names):
            found.append(self._declare(f"{manifest['metadata']['name']}-policy", manifest, parent))
        return found

    def _secrets(self, workload: Workload, secrets: Secrets, parent: Resource) -> list[Resource]:
        vault, identity = self.names.site.vault, self._identity
        if vault and identity:
            manifest = vault_class(workload, self.names, vault, identity.client_id, identity.tenant_id)
            federated = identity.federate(self.names.namespace, workload.name)
            return [self._declare(f"{workload.name}-vault", manifest, parent), federated]
        contents = {file.name: secrets.content(file.secret).apply(encoded) for file in workload.secrets}
        return [self._declare(f"{workload.name}-secrets", secret(workload, self.names, contents), parent)]

    def _annotations(self, workload: Workload, secrets: Secrets) -> dict[str, Any] | None:
        """What starts new pods: changed secrets, for a workload that cannot read its files again.

        What is in a vault, nobody here knows: `kubectl rollout restart` is for those.
        """
        if not workload.secrets or workload.reload_signal or self.names.site.vault:
            return None
        contents = {file.name: secrets.content(file.secret) for file in workload.secrets}
        salt = f"{self.names.namespace}/{workload.name}"
        made = Output.all(**contents).apply(lambda given: revision(given, salt))
        # Everybody who reads pods sees it, which is why it is made so that it tells nothing.
        return {REVISION_ANNOTATION: Output.unsecret(made)}

    def _volume(self, volume: Volume, owner: Workload, at: Placement) -> Resource:
        """The volume's last job, or the volume itself where nothing fills it: what a pod that mounts it waits for."""
        if volume.name not in self._volumes:
            # What a job reads from is filled before it runs.
            read = [v for filling in volume.fill for v in shared_volumes(filling) if v.name != volume.name]
            before = [self._volume(v, owner, at) for v in read]
            kept = volume.keep and self.names.site.keep_volumes
            made = self._declare(f"{volume.name}-claim", claim(volume, self.names), self, retain_on_delete=kept)
            last: Resource = made
            for filling in volume.fill:
                needed = self._beginning(filling, Surroundings(), at.secrets, self, self.names)
                last = self._declare(
                    f"{filling.name}-job",
                    job(filling, owner, volume, self.names),
                    self,
                    depends_on=[*self._before_pods, *needed, *before, last],
                    custom_timeouts=_timeouts(job_seconds(filling) + 60, grace_seconds(filling)),
                    # A Job that has ended says nothing about another volume of the same name.
                    replacement_trigger=_uid(made),
                    delete_before_replace=True,
                )
            self._volumes[volume.name] = last
        return self._volumes[volume.name]

    def _declare(
        self, name: str, manifest: Manifest, parent: Resource, depends_on: Sequence[Resource] = (), **options: Any
    ) -> pulumi.CustomResource:
        after = [*self._here, *depends_on]
        return declare(
            name, manifest, ResourceOptions(parent=parent, provider=self._provider, depends_on=after, **options)
        )


def _timeouts(seconds: int, grace: int) -> pulumi.CustomTimeouts:
    """How long to wait for pods to be ready, and to be gone."""
    return pulumi.CustomTimeouts(create=f"{seconds}s", update=f"{seconds}s", delete=f"{grace + 120}s")


def _uid(claim: pulumi.CustomResource) -> Output[str | None]:
    metadata: Output[Any] = claim.metadata  # type: ignore[attr-defined]
    return metadata.apply(lambda found: found.get("uid") if found else None)


def _address(balancer: pulumi.CustomResource) -> Output[str]:
    status: Output[Any] = balancer.status  # type: ignore[attr-defined]
    return status.apply(_first_address)


def _first_address(status: Any) -> str:
    ingress = ((status or {}).get("loadBalancer") or {}).get("ingress") or []
    return next((str(found) for one in ingress if (found := one.get("ip") or one.get("hostname"))), "")
