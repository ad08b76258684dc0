"""Workload: the one noun that engines describe and targets realise.

A field is here only when every target honours it. Words about *where* (bind address, node pool, ssh host,
storage class) belong to target configuration, and nothing here holds a Pulumi `Output`: secrets are names.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

FILES_DIRECTORY = "/etc/slm"
"""Where a target mounts `Workload.files` and `Workload.secrets`, read-only, mode 0400, owned by `Workload.user`."""

RUN_AS = 10001
"""User and group id of workloads whose image has no non-root user of its own (security control 25: at least 10000)."""


class Value(BaseModel):
    """Base of all configuration and description classes: immutable, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


Name = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$")]
"""A DNS-1123 label of at most 40 characters: it becomes a container name, a host name and a Kubernetes name."""

Image = Annotated[str, StringConstraints(pattern=r"^([a-z0-9][a-z0-9._:/-]*@)?sha256:[0-9a-f]{64}$")]
"""`repository[:tag]@sha256:…` from a registry, or `sha256:…` alone: the id of an image this site built."""

AbsolutePath = Annotated[str, StringConstraints(pattern=r"^(/[A-Za-z0-9._-]+)+$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class File(Value):
    """A configuration file without secrets, mounted at `FILES_DIRECTORY/name`."""

    name: FileName
    content: str


class SecretFile(Value):
    """A file whose content comes from the stack's secrets under `secret`, mounted at `FILES_DIRECTORY/name`."""

    name: FileName
    secret: str


class Scratch(Value):
    """A writable, memory-backed directory, empty at each start; everything else in the root file system is read-only.

    `size_mib` is its limit in MiB; `executable` allows running programs from it (JIT compilers need that).
    """

    path: AbsolutePath
    size_mib: int = Field(64, ge=1)
    executable: bool = False


class Volume(Value):
    """Storage that outlives the container.

    `fill` are jobs that run to completion, in order, on the same volume mounted writable, before any service
    mounts it; a job may mount further volumes read-only, which are filled before. `name` must change when what `fill`
    produces changes (put a digest of the content in it).
    `keep`: an ordinary teardown leaves the data behind. `size_gib` is the space it needs, in GiB. When `revision`
    changes, the jobs run again on the same volume, beside the services that use it; only for jobs that can.
    """

    name: Name
    path: AbsolutePath
    read_only: bool = True
    size_gib: float = Field(gt=0)
    fill: tuple[Workload, ...] = ()
    keep: bool = False
    revision: str = ""

    @model_validator(mode="after")
    def _what_is_filled_again_is_kept(self) -> Self:
        if self.revision and not self.keep:
            raise ValueError(f"volume {self.name}: a target fills it again by replacing it, so it must be kept")
        return self


class Probe(Value):
    """A command inside the container that exits 0 when the service can serve. All times in seconds."""

    command: tuple[str, ...] = Field(min_length=1)
    interval: int = Field(5, ge=1)
    timeout: int = Field(5, ge=1)
    retries: int = Field(3, ge=1)
    startup: int = Field(60, ge=5, description="seconds the service may take until it answers for the first time")


class Resources(Value):
    """Limits, all of them hard. Memory in MiB (swap is not added to it), CPUs in cores, `shm_mib` is /dev/shm."""

    memory_mib: int = Field(ge=16)
    cpus: float = Field(gt=0, le=1024)
    pids: int = Field(256, ge=8, le=32768)
    shm_mib: int = Field(64, ge=1)


class Workload(Value):
    """A container that runs as a service (`port` and `probe` set) or to completion as a job (neither set).

    `command` replaces the image's entry point, `args` are its arguments; with an empty `command` the image's own
    entry point is used. `env` holds no secret. `egress` lets it open connections to the outside; without it a
    target denies them. `reload_signal` is what makes the process read its files again; without one, changed
    files replace the container. `stop_signal` asks the process to finish its requests and end; `drain` is how
    long, in seconds, it may take for that.
    `deadline` is the longest a job may run, in seconds.
    """

    name: Name
    image: Image
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    files: tuple[File, ...] = ()
    secrets: tuple[SecretFile, ...] = ()
    volumes: tuple[Volume, ...] = ()
    scratch: tuple[Scratch, ...] = ()
    port: int | None = Field(None, ge=1, le=65535)
    probe: Probe | None = None
    resources: Resources
    gpus: int = Field(0, ge=0)
    user: int = Field(RUN_AS, ge=1, description="numeric user id; never root (security control 1)")
    group: int = Field(RUN_AS, ge=0)
    egress: bool = False
    reload_signal: str | None = Field(None, pattern=r"^SIG[A-Z0-9]+$")
    stop_signal: str = Field("SIGTERM", pattern=r"^SIG[A-Z0-9]+$")
    drain: int = Field(10, ge=1)
    deadline: int = Field(3600, ge=1)

    @property
    def filled_volumes(self) -> tuple[Volume, ...]:
        """Its volumes and those their jobs read from, each once, in the order they must be filled."""
        found: dict[str, Volume] = {}
        for volume in self.volumes:
            for job in volume.fill:
                origins = (v for v in job.filled_volumes if v.name != volume.name)
                found.update({v.name: v for v in origins if v.name not in found})
            found.setdefault(volume.name, volume)
        return tuple(found.values())

    @property
    def is_job(self) -> bool:
        """Whether it runs to completion instead of serving."""
        return self.probe is None

    @model_validator(mode="after")
    def _paths_and_names_are_unique(self) -> Self:
        names = [f.name for f in self.files] + [s.name for s in self.secrets]
        paths = [v.path for v in self.volumes] + [s.path for s in self.scratch]
        paths += [FILES_DIRECTORY] if names else []
        for what, values in (("file", names), ("mount path", paths)):
            if twice := {v for v in values if values.count(v) > 1}:
                raise ValueError(f"workload {self.name}: {what} used twice: {', '.join(sorted(twice))}")
        for path in paths:
            if ".." in PurePosixPath(path).parts:
                raise ValueError(f"workload {self.name}: mount path '{path}' must not contain '..'")
        if (self.port is None) != (self.probe is None):
            raise ValueError(f"workload {self.name}: a service has a port and a probe, a job has neither")
        return self


Volume.model_rebuild()
