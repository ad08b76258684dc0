"""The reference of a deployment: the same containers, started by a plain script of `docker` commands.

The script is rendered from the same workloads, and what it started is compared with what Pulumi started, so the two
sides cannot drift apart. It mounts files that were written beforehand and keeps no state. `jobs` runs the jobs that
check and import the weights, as Pulumi does; without them the script trusts what is in the volume.
"""

from __future__ import annotations

import shlex
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.stack import OURS, PLAIN, Bench
from components.targets.docker.container import Names, hardened, service_arguments
from components.workload import FILES_DIRECTORY, Workload
from ops.errors import UserError

if TYPE_CHECKING:
    from docker import DockerClient

NAMES = Names(PLAIN)
SAME_HOST = [
    "Memory",
    "MemorySwap",
    "NanoCpus",
    "CpuPeriod",
    "CpuQuota",
    "PidsLimit",
    "CapAdd",
    "CapDrop",
    "SecurityOpt",
    "ReadonlyRootfs",
    "Tmpfs",
    "IpcMode",
    "ShmSize",
    "RestartPolicy",
    "LogConfig",
    "Privileged",
]
SAME_CONFIG = ["Image", "Cmd", "Entrypoint", "User", "StopSignal", "StopTimeout", "Hostname"]


class Plain:
    """The script, its files and its containers."""

    def __init__(self, bench: Bench, folder: Path, *, jobs: bool) -> None:
        self._bench, self._folder, self._jobs = bench, folder, jobs
        services = bench.workloads().values()
        for workload in [*services, *(job for service in services for job in _jobs(service))]:
            place = folder / workload.name
            place.mkdir(parents=True)
            for name, content in bench.files(workload).items():
                (place / name).write_text(content)
                # Without being root nobody can give a file to the container's user; the folder above is private.
                (place / name).chmod(0o444)
        self.script = folder / "plain_docker.sh"
        self.script.write_text(self._render())

    def up(self) -> float:
        """Run the script and ask; seconds until the first token. Raises UserError."""
        began = time.perf_counter()
        done = subprocess.run(["sh", str(self.script)], capture_output=True, text=True)
        if done.returncode:
            raise UserError(f"the plain docker script failed: {done.stderr.strip()[-400:]}")
        return self._bench.first_token_since(began)

    def down(self) -> None:
        """Remove its containers and networks."""
        names = [NAMES.container(name) for name in self._bench.workloads()]
        subprocess.run(["docker", "rm", "-f", *names], capture_output=True)
        subprocess.run(["docker", "network", "rm", *self._networks()], capture_output=True)

    def _networks(self) -> tuple[str, str, str]:
        return f"{NAMES.prefix}-internal", f"{NAMES.prefix}-published", f"{NAMES.prefix}-egress"

    def _render(self) -> str:
        internal, published, egress = self._networks()
        workloads, label = self._bench.workloads(), f"--label=slm.stack={PLAIN}"
        masquerade = "com.docker.network.bridge.enable_ip_masquerade=false"
        lines = [
            "#!/bin/sh",
            "# Made by bench/plain.py: what somebody without Pulumi would type to start the same containers.",
            "set -eu",
            f"docker network create --internal {label} {internal}",
            f"docker network create -o {masquerade} {label} {published}",
        ]
        # The gateway first: it waits for nobody, and Pulumi starts it beside the jobs as well.
        lines += self._service(workloads["gateway"], internal, published)
        if self._jobs:
            lines.append(f"docker network create {label} {egress}")
        for name, workload in workloads.items():
            if name != "gateway":
                for job in _jobs(workload) if self._jobs else ():
                    lines.append(shlex.join(["docker", "run", "--rm", *self._job_flags(job, egress)]))
                lines += self._service(workload, internal)
        running = " ".join(NAMES.container(name) for name in workloads)
        limit = max(w.probe.startup for w in workloads.values() if w.probe)
        lines += [
            f"end=$(($(date +%s) + {limit}))",
            f"until [ \"$(docker inspect -f '{{{{.State.Health.Status}}}}' {running} | sort -u)\" = healthy ]; do",
            '  [ "$(date +%s)" -lt "$end" ] || { echo "not healthy in time" >&2; exit 1; }',
            "  sleep 0.2",
            "done",
        ]
        return "\n".join(lines) + "\n"

    def _service(self, workload: Workload, internal: str, published: str = "") -> list[str]:
        container = NAMES.container(workload.name)
        lines = [shlex.join(["docker", "create", *self._flags(workload, internal, bool(published))])]
        if published:
            lines.append(f"docker network connect --alias {workload.name} {published} {container}")
        return [*lines, f"docker start {container}"]

    def _job_flags(self, job: Workload, egress: str) -> list[str]:
        limits = hardened(job)
        flags = {
            "name": NAMES.container(job.name),
            "network": egress if job.egress else "none",
            "user": limits.user,
            "ipc": "private",
            "memory": f"{limits.memory_mib}m",
            "memory-swap": f"{limits.memory_mib}m",
            "shm-size": f"{limits.shm_mib}m",
            "cpus": limits.cpus,
            "pids-limit": limits.pids,
            "cap-drop": "ALL",
            "label": f"slm.stack={PLAIN}",
        }
        found = [f"--{key}={value}" for key, value in flags.items()] + ["--read-only"]
        found += [f"--security-opt={option}" for option in limits.security_options]
        found += [f"--tmpfs={path}:{options}" for path, options in limits.tmpfs.items()]
        found += [f"--env={key}={value}" for key, value in job.env.items()]
        found += [f"--volume={Names(OURS).volume(v.name)}:{v.path}" for v in job.volumes]
        found += [f"--volume={self._folder / job.name}:{FILES_DIRECTORY}:ro"]
        found += [f"--entrypoint={job.command[0]}"] if job.command else []
        return [*found, job.image, *job.command[1:], *job.args]

    def _flags(self, workload: Workload, network: str, exposed: bool) -> list[str]:
        wants: dict[str, Any] = service_arguments(workload, NAMES)
        health, gateway = wants["healthcheck"], self._bench.settings.gateway
        flags = {
            "name": wants["name"],
            "hostname": wants["hostname"],
            "user": wants["user"],
            "ipc": wants["ipc_mode"],
            "memory": f"{wants['memory']}m",
            "memory-swap": f"{wants['memory_swap']}m",
            "shm-size": f"{wants['shm_size']}m",
            "pids-limit": workload.resources.pids,
            "restart": wants["restart"],
            "log-driver": wants["log_driver"],
            "stop-signal": wants["stop_signal"],
            "stop-timeout": wants["stop_timeout"],
            "health-cmd": shlex.join(health["tests"][1:]),
            "health-interval": health["interval"],
            "health-timeout": health["timeout"],
            "health-retries": health["retries"],
            "health-start-period": health["start_period"],
            "network": network,
            "network-alias": workload.name,
            **{key.replace("_", "-"): wants[key] for key in ("cpus", "cpu_period", "cpu_quota") if key in wants},
        }
        found = [f"--{key}={value}" for key, value in flags.items()] + ["--read-only"]
        found += [f"--cap-drop={name}" for name in wants["capabilities"]["drops"]]
        found += [f"--security-opt={option}" for option in wants["security_opts"]]
        found += [f"--tmpfs={path}:{options}" for path, options in (wants["tmpfs"] or {}).items()]
        found += [f"--log-opt={key}={value}" for key, value in wants["log_opts"].items()]
        found += [f"--env={pair}" for pair in wants["envs"]]
        found += [f"--label={key}={value}" for key, value in NAMES.labels(workload.name).items()]
        found += [f"--gpus={workload.gpus}"] if workload.gpus else []
        found += [f"--volume={Names(OURS).volume(v.name)}:{v.path}:ro" for v in workload.volumes]
        found += [f"--volume={self._folder / workload.name}:{FILES_DIRECTORY}:ro"]
        found += [f"--publish={gateway.bind}:{gateway.port}:{workload.port}"] if exposed else []
        entry = wants["entrypoints"] or []
        found += [f"--entrypoint={entry[0]}"] if entry else []
        return [*found, workload.image, *entry[1:], *(wants["command"] or [])]


def _jobs(workload: Workload) -> list[Workload]:
    return [job for volume in workload.volumes for job in volume.fill]


def facts(client: DockerClient, stack: str) -> dict[str, Any]:
    """Of each running container of a stack what must be the same on both sides."""
    found = {}
    for container in client.containers.list(filters={"label": f"slm.stack={stack}"}):
        host, config = container.attrs["HostConfig"], container.attrs["Config"]
        name = str(container.name).removeprefix(f"{Names(stack).prefix}-")
        networks = {n.removeprefix(f"{Names(stack).prefix}-") for n in container.attrs["NetworkSettings"]["Networks"]}
        paths = {(mount["Destination"], mount["RW"]) for mount in container.attrs["Mounts"]}
        kind, *words = config["Healthcheck"]["Test"]
        found[name] = {
            **{key: host.get(key) or None for key in SAME_HOST},
            **{key: config.get(key) or None for key in SAME_CONFIG},
            # The command line of docker can only name a shell command, which comes to the same.
            "Healthcheck": {**config["Healthcheck"], "Test": shlex.join(words) if kind == "CMD" else words[0]},
            "Env": sorted(config["Env"]),
            "Networks": sorted(networks),
            "Mounts": sorted(paths),
        }
    return found


def differences(ours: dict[str, Any], plain: dict[str, Any]) -> list[str]:
    """What the two sides do not have in common; empty when the comparison is fair."""
    if not ours or ours.keys() != plain.keys():
        return [f"containers {sorted(ours)} and {sorted(plain)}"]
    return [
        f"{name} {key}: {value!r} and {plain[name][key]!r}"
        for name, values in ours.items()
        for key, value in values.items()
        if value != plain[name][key]
    ]
