"""Realise workloads on one Docker engine.

Networks: one internal for engines and gateway, one for the parts of monitoring, one for who asks the engine's own
interface; one published, which only an exposed workload joins as well; one with a way out, which only jobs that fetch
join while they run, and what must send alerts. Everything is named after the stack.
"""

from __future__ import annotations

from functools import cached_property

import pulumi
import pulumi_docker as docker
from pulumi import Output, ResourceOptions

from components.targets.docker.agents import as_agent, binds
from components.targets.docker.container import Names, mounts, service_arguments
from components.targets.docker.daemon import Daemon
from components.targets.docker.hooks import Hooks
from components.targets.docker.provider_traps import REPLACE_ON_CHANGES
from components.targets.docker.ssh import options
from components.targets.placement import Circle, Exposure, Placement, Scale, View
from components.targets.spec import Docker
from components.workload import FILES_DIRECTORY, Volume, Workload


class DockerHost(pulumi.ComponentResource):
    """One Docker engine as a target."""

    def __init__(self, name: str, spec: Docker, stack: str) -> None:
        super().__init__("slm:target:docker", name, None, None)
        self.names = Names(stack, spec.name)
        self._name, self._spec = name, spec
        self._hooks = Hooks(name, self.names, Daemon(spec))
        self._provider = docker.Provider(
            f"{name}-docker",
            docker.ProviderArgs(host=spec.host, ssh_opts=list(options(spec)) if spec.remote else None),
            opts=ResourceOptions(parent=self),
        )
        self._volumes: dict[str, docker.Volume] = {}
        self._circles: dict[Circle, docker.Network] = {}
        self._circle("engines")
        self.register_outputs({})

    @property
    def stack(self) -> str:
        """The name of the stack."""
        return self.names.stack

    def resolver(self) -> str:
        """The host's own name server for containers."""
        return self.names.resolver()

    def host_of(self, name: str) -> str:
        """The name by which containers reach a workload."""
        return self.names.host_of(name)

    def copies_host_of(self, name: str) -> str:
        """The name that stands for each copy of an exposed workload."""
        return self.names.copies_host_of(name)

    def agent_host_of(self, name: str) -> str:
        """The same of an agent."""
        return self.names.agent_host_of(name)

    def addresses_of(self, scale: Scale) -> int:
        """How many containers a name can stand for."""
        return self.names.addresses_of(scale)

    def outside(self, exposure: Exposure) -> str:
        """Where an exposed workload is published."""
        return self.names.outside(exposure)

    def address(self, name: str) -> None:
        """A published port is on the host's own addresses, which everybody knows."""
        return

    def run(self, workload: Workload, at: Placement) -> Output[str]:
        """Realise a service; gives the id of its container once it is healthy."""
        around = at.around
        workload = as_agent(workload, around.view)
        options = ResourceOptions(parent=at.parent, provider=self._provider)
        image = self._image(workload, options)
        volumes = [self._volume(v, workload, at) for v in workload.volumes]
        files = self._files(workload, image, at)
        networks = [self._attached(self._circle(circle), workload) for circle in around.circles]
        if around.exposure:
            networks.append(self._attached(self._published, workload))
        if workload.egress:
            networks.append(self._attached(self._egress, workload))
        arguments = service_arguments(workload, self.names)
        replaced_with_files: list[pulumi.Resource] = [files] if files and not workload.reload_signal else []
        container = docker.Container(
            f"{workload.name}-container",
            image=image,
            networks_advanced=networks,
            # Without any network of the stack Docker would put it on its own, where everybody is (control 10).
            network_mode=None if networks else "none",
            volumes=[
                docker.ContainerVolumeArgs(volume_name=m.volume, container_path=m.path, read_only=m.read_only)
                for m in mounts(workload, self.names)
            ]
            + [
                docker.ContainerVolumeArgs(host_path=b.host, container_path=b.path, read_only=True)
                for b in binds(around.view, self._spec)
            ],
            ports=[
                docker.ContainerPortArgs(
                    internal=workload.port or 0, external=around.exposure.port, ip=around.exposure.bind
                )
            ]
            if around.exposure
            else None,
            # Docker's own name server still knows the stack's names; the rest of the world would be asked for here.
            dns=None if "engines" in around.circles or workload.egress else ["127.0.0.1"],
            # The provider has no input for the pids limit, so the label is what makes a change of it a difference.
            labels=self._labels(workload, self._marks(workload, around.view)),
            # Docker Desktop knows this name by itself; elsewhere whoever may go out finds the host by it as well.
            hosts=[docker.ContainerHostArgs(host="host.docker.internal", ip="host-gateway")]
            if workload.egress
            else None,
            **arguments,
            opts=ResourceOptions(
                parent=at.parent,
                provider=self._provider,
                depends_on=[*volumes, *([files] if files else [])],
                delete_before_replace=True,  # two containers cannot hold one name, port or GPU
                replace_on_changes=REPLACE_ON_CHANGES,
                replace_with=replaced_with_files,
                hooks=self._hooks.limit_pids(workload),
            ),
        )
        return container.id

    def _image(self, workload: Workload, options: ResourceOptions) -> Output[str] | str:
        if workload.image.startswith("sha256:"):
            # The image was built on this site: the daemon has it under its id, and there is nothing to pull.
            return workload.image
        return docker.RemoteImage(
            f"{workload.name}-image", name=workload.image, keep_locally=True, opts=options
        ).image_id

    def _volume(self, volume: Volume, owner: Workload, at: Placement) -> docker.Volume:
        if volume.name not in self._volumes:
            before: list[pulumi.Resource] = [self._egress] if any(job.egress for job in volume.fill) else []
            # What a job reads from is filled before it runs.
            before += [self._volume(v, owner, at) for job in volume.fill for v in job.volumes if v.name != volume.name]
            self._volumes[volume.name] = docker.Volume(
                f"{volume.name}-volume",
                name=self.names.volume(volume.name),
                labels=[docker.VolumeLabelArgs(label=k, value=v) for k, v in self.names.labels(owner.name).items()],
                opts=ResourceOptions(
                    parent=self,
                    provider=self._provider,
                    depends_on=before,
                    retain_on_delete=volume.keep,
                    # Its jobs run before it is made, and it is kept: replacing it runs them again on what is there.
                    replacement_trigger=volume.revision or None,
                    hooks=self._hooks.fill(volume, owner, at.secrets),
                ),
            )
        return self._volumes[volume.name]

    def _files(self, workload: Workload, image: Output[str] | str, at: Placement) -> docker.Container | None:
        """A container that is made but never started: it carries files into the volume the service mounts read-only.

        The provider cannot upload into a container with a read-only root (finding 2), and a bind mount would not
        reach a host behind ssh. Its inputs for an owner make the daemon look the image's user up in the host's
        own user list, which fails for ids that have no name there; so a hook gives the files to the workload's user.
        """
        if not workload.files and not workload.secrets:
            return None
        name = self.names.files(workload.name)
        opts = ResourceOptions(parent=at.parent, provider=self._provider)
        volume = docker.Volume(
            f"{workload.name}-files-volume",
            name=name,
            labels=[docker.VolumeLabelArgs(label=k, value=v) for k, v in self.names.labels(workload.name).items()],
            opts=opts,
        )
        contents = [(f.name, Output.from_input(f.content)) for f in workload.files]
        contents += [(s.name, at.secrets.content(s.secret)) for s in workload.secrets]
        return docker.Container(
            f"{workload.name}-files",
            name=name,
            image=image,
            entrypoints=["true"],
            command=["true"],
            user=f"{workload.user}:{workload.group}",
            capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"]),
            security_opts=["no-new-privileges:true"],
            network_mode="none",
            volumes=[docker.ContainerVolumeArgs(volume_name=volume.name, container_path=FILES_DIRECTORY)],
            uploads=[
                docker.ContainerUploadArgs(
                    file=f"{FILES_DIRECTORY}/{file}",
                    content=content,
                    permissions="0400",
                )
                for file, content in contents
            ],
            labels=self._labels(workload),
            start=False,
            must_run=False,
            opts=ResourceOptions(
                parent=at.parent,
                provider=self._provider,
                delete_before_replace=True,
                hooks=self._hooks.hand_over_files(workload),
            ),
        )

    def _marks(self, workload: Workload, view: View | None) -> dict[str, str]:
        return {"slm.pids": str(workload.resources.pids), **({"slm.view": view} if view else {})}

    def _labels(self, workload: Workload, more: dict[str, str] | None = None) -> list[docker.ContainerLabelArgs]:
        labels = {**self.names.labels(workload.name), **(more or {})}
        return [docker.ContainerLabelArgs(label=key, value=value) for key, value in labels.items()]

    def _attached(self, network: docker.Network, workload: Workload) -> docker.ContainerNetworksAdvancedArgs:
        return docker.ContainerNetworksAdvancedArgs(name=network.name, aliases=[workload.name])

    def _circle(self, circle: Circle) -> docker.Network:
        if circle not in self._circles:
            kind = "internal" if circle == "engines" else circle
            self._circles[circle] = self._network(kind, internal=True)
        return self._circles[circle]

    @cached_property
    def _published(self) -> docker.Network:
        # Without masquerading a port can be published, yet the container has no way out.
        return self._network("published", options={"com.docker.network.bridge.enable_ip_masquerade": "false"})

    @cached_property
    def _egress(self) -> docker.Network:
        return self._network("egress")

    def _network(self, kind: str, internal: bool = False, options: dict[str, str] | None = None) -> docker.Network:
        return docker.Network(
            f"{self._name}-{kind}",
            name=f"{self.names.prefix}-{kind}",
            internal=internal,
            options=options,
            labels=[docker.NetworkLabelArgs(label="slm.stack", value=self.names.stack)],
            opts=ResourceOptions(parent=self, provider=self._provider, delete_before_replace=True),
        )
