"""A Pulumi project of a test's own: everything in it is real but azure-native, which is the stand-in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal import plugins
from rehearsal.providers.azure.cloud import Cloud

PROGRAMS = Path(__file__).parent / "programs"


LOCAL_KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "rehearsal",
    "clusters": [{"name": "local", "cluster": {"server": "https://127.0.0.1:6443"}}],
    "contexts": [{"name": "rehearsal", "context": {"cluster": "local", "user": "admin"}}],
    "users": [{"name": "admin", "user": {"token": "the-token-of-the-control-plane"}}],
}
"""As the control plane writes one; nothing in these tests connects to it."""


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
        """With these words, and without a traceback of the stand-in's.

        The language host prints one of its own when the engine stops the program because a resource failed.
        """
        assert self.code != 0, self.text
        assert "rehearsal/providers" not in self.text, self.text
        for word in words:
            assert word in self.text, f"'{word}' is not in:\n{self.text}"
        return self


class AzureProject:
    """One stack, and one simulated Azure. `knobs` is what the program reads to decide what it declares."""

    def __init__(self, folder: Path, home: Path, program: str, **knobs: Any) -> None:
        self.folder, self.home = folder, home
        self.azure = folder / "azure"
        self.knows_azure = True
        (folder / "state").mkdir(parents=True)
        self.azure.mkdir()
        (folder / "Pulumi.yaml").write_text("name: azure\nruntime: python\n")
        (folder / "__main__.py").write_text((PROGRAMS / f"{program}.py").read_text())
        self.turn(**knobs)
        self.pulumi("stack", "init", "test").must_succeed()
        self.pulumi("config", "set", "azure-native:location", "westeurope").must_succeed()

    @property
    def cloud(self) -> Cloud:
        """The simulated Azure, seen from outside Pulumi."""
        return Cloud(self.azure)

    def turn(self, **knobs: Any) -> None:
        """From now on the program finds these knobs, and no others."""
        (self.folder / "knobs.json").write_text(json.dumps(knobs))

    def faults(self, *rows: dict[str, Any]) -> None:
        """From now on these faults happen, and no others."""
        lines = [
            "\n".join(["[[fault]]", *(f"{name} = {json.dumps(value)}" for name, value in row.items())]) for row in rows
        ]
        (self.azure / "faults.toml").write_text("\n".join(lines))

    def pulumi(self, *arguments: str, timeout: float = 550) -> Finished:
        """Run the command line to its end."""
        own = {"SLM_REHEARSAL_AZURE": str(self.azure)} if self.knows_azure else {}
        environment = {
            **os.environ,
            **own,
            **plugins.environment(self.home),
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
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

    def up(self, *options: str) -> Finished:
        return self.pulumi("up", "--yes", "--skip-preview", *options)

    def refresh(self) -> Finished:
        return self.pulumi("refresh", "--yes", "--skip-preview")

    def destroy(self) -> Finished:
        return self.pulumi("destroy", "--yes", "--skip-preview")

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets decrypted."""
        done = self.pulumi("stack", "output", "--json", "--show-secrets").must_succeed()
        found: dict[str, Any] = json.loads(done.output)
        return found

    def preview(self) -> dict[str, list[str]]:
        """What a preview would do, by the resource's name; resources that stay as they are are left out."""
        done = self.pulumi("preview", "--json").must_succeed()
        steps: dict[str, list[str]] = {}
        for step in json.loads(done.output)["steps"]:
            if step["op"] != "same":
                steps.setdefault(step["urn"].rsplit("::", 1)[1], []).append(step["op"])
        return steps

    def state(self) -> dict[str, dict[str, Any]]:
        """The resources in Pulumi's state by name."""
        done = self.pulumi("stack", "export").must_succeed()
        resources = json.loads(done.output)["deployment"].get("resources", [])
        return {resource["urn"].rsplit("::", 1)[1]: resource for resource in resources}

    def files(self) -> str:
        """Everything that Pulumi and the simulated Azure wrote, as one text."""
        folders = (self.folder / "state", self.azure)
        return "".join(file.read_text() for folder in folders for file in folder.rglob("*") if file.is_file())


def standin_process(directory: Path) -> subprocess.Popen[str]:
    """The stand-in as the engine starts it, with nobody connected."""
    return subprocess.Popen(
        [sys.executable, "-m", "rehearsal.providers.azure", "127.0.0.1:1"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "SLM_REHEARSAL_AZURE": str(directory)},
        stdout=subprocess.PIPE,
        text=True,
    )
