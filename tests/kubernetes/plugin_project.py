"""A small Pulumi project of a test's own, with the rehearsal's plugins and a cluster to talk to."""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal import plugins

PREAMBLE = """
import pulumi
import pulumi_kubernetes as k8s
from pathlib import Path

config = pulumi.Config()
cluster = k8s.Provider(
    "cluster",
    kubeconfig=pulumi.Output.secret(Path(config.require("kubeconfig")).read_text()),
    cluster_identifier="test",
)
on = pulumi.ResourceOptions(provider=cluster)


def on_with(**options):
    return pulumi.ResourceOptions.merge(on, pulumi.ResourceOptions(**options))


def pod(**container):
    security = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    limits = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {
        "securityContext": security,
        "containers": [{"name": "main", "image": "registry.invalid/main:1", "securityContext": limits, **container}],
    }
"""
"""What every program begins with: a provider for the cluster as `on`, and a pod that any namespace admits."""


@dataclass(frozen=True)
class Finished:
    """A Pulumi command that has ended."""

    code: int
    output: str
    errors: str

    @property
    def text(self) -> str:
        return self.output + self.errors

    def must_succeed(self) -> Finished:
        assert self.code == 0, self.text
        return self

    def must_fail(self, *words: str) -> Finished:
        assert self.code != 0, self.text
        for word in words:
            assert word in self.text, f"'{word}' is not in:\n{self.text}"
        return self


class PluginProject:
    """One stack, its state in a folder. `namespace` is a name that no other project uses."""

    def __init__(self, folder: Path, home: Path, kubeconfig: Path, namespace: str) -> None:
        self.folder, self.home, self.kubeconfig, self.namespace = folder, home, kubeconfig, namespace
        (folder / "state").mkdir(parents=True)
        (folder / "Pulumi.yaml").write_text("name: plugin\nruntime: python\n")
        self.pulumi("stack", "init", "test").must_succeed()
        self.pulumi("config", "set", "kubeconfig", str(kubeconfig)).must_succeed()

    def program(self, text: str) -> None:
        """From now on the program is this, after PREAMBLE; `NAMESPACE` is the project's."""
        body = f"{PREAMBLE}\nNAMESPACE = {self.namespace!r}\n{textwrap.dedent(text)}"
        (self.folder / "__main__.py").write_text(body)

    def pulumi(self, *arguments: str, extra: Mapping[str, str] | None = None, timeout: float = 240) -> Finished:
        """Run the command line to its end."""
        environment = {
            **os.environ,
            **plugins.environment(self.home),
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            **(extra or {}),
        }
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def up(self, *options: str, **extra: str) -> Finished:
        """Deploy; `extra` are variables of the environment."""
        return self.pulumi("up", "--yes", "--skip-preview", *options, extra=extra)

    def destroy(self) -> Finished:
        return self.pulumi("destroy", "--yes", "--skip-preview")

    def preview(self) -> dict[str, dict[str, Any]]:
        """The steps of a preview by the resource's name; steps that change nothing are left out."""
        done = self.pulumi("preview", "--json").must_succeed()
        steps = {step["urn"].rsplit("::", 1)[1]: step for step in json.loads(done.output)["steps"]}
        return {name: step for name, step in steps.items() if step["op"] != "same"}

    def state(self) -> str:
        """The stack's state as Pulumi keeps it in its file."""
        return self.pulumi("stack", "export").must_succeed().output

    def outputs(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.pulumi("stack", "output", "--json").must_succeed().output)
        return found
