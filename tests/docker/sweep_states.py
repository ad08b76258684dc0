"""Review stacks in any state, cheap: a network and a volume of the real Docker engine, or objects of a cluster."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import docker
import yaml
from docker import DockerClient

from ops.review.rules import Rules
from ops.sweep.backend import opened
from ops.sweep.remove import Outcome, Remover
from ops.sweep.stack import Found, found
from tests.docker.project import remove_stacks

PASSPHRASE = "of the tests"
FIRST = 990100
"""Pull requests of these tests have numbers from here on, which no person's have."""

PROGRAM = """
import json
from pathlib import Path

import pulumi
import pulumi_docker as docker

knobs = json.loads(Path("knobs.json").read_text())
stack = pulumi.get_stack()
host = docker.Provider("host")
labels = {"label": "slm.stack", "value": stack}
opts = pulumi.ResourceOptions(provider=host)
# As real ones have: without a secret in its state, nobody asks for a passphrase.
secret = {"label": "note", "value": pulumi.Output.secret("hush")}
docker.Network("net", name=f"slm-{stack}-net", labels=[labels, secret], opts=opts)
kept = pulumi.ResourceOptions(provider=host, retain_on_delete=True)
docker.Volume("weights", name=f"slm-{stack}-weights", labels=[labels], opts=kept)
if knobs.get("fails"):
    docker.Network("bad", name=f"slm-{stack}-bad", driver="no-such-driver", labels=[labels], opts=opts)
"""

WRITER = "v3.259.0"
MAGIC = hashlib.sha256(WRITER.encode()).hexdigest()
"""By which Pulumi knows that the rest of a state was written by that version of itself."""

UNREACHABLE = """
apiVersion: v1
kind: Config
current-context: gone
clusters: [{name: gone, cluster: {server: "https://127.0.0.1:9"}}]
contexts: [{name: gone, context: {cluster: gone, user: nobody}}]
users: [{name: nobody, user: {token: none}}]
"""


@dataclass(frozen=True)
class Site:
    """A checkout with states of its own, and the Docker engine."""

    folder: Path
    client: DockerClient

    @property
    def state(self) -> Path:
        return self.folder / ".slm" / "state"

    def pulumi(self, *arguments: str, stack: str, stdin: str | None = None, fails: bool = False) -> str:
        """Plain Pulumi in the checkout."""
        done = subprocess.run(
            ["pulumi", *arguments, "-s", stack, "--non-interactive", "--color", "never"],
            cwd=self.folder,
            env={**os.environ, "PULUMI_BACKEND_URL": f"file://{self.state}"},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout

    def made(self, number: int, *, fails: bool = False) -> str:
        """A stack that the program has made, or half made."""
        stack = f"pr-{number}"
        (self.folder / "knobs.json").write_text(json.dumps({"fails": fails}))
        self.pulumi("stack", "init", stack=stack)
        self.pulumi("up", "--yes", "--skip-preview", stack=stack, fails=fails)
        return stack

    def like(self, model: str, number: int, change: Any = None) -> str:
        """A stack whose state is that of `model` under its own name; what it holds is really on the engine."""
        stack = f"pr-{number}"
        label = {"slm.stack": stack}
        network = self.client.networks.create(f"slm-{stack}-net", labels=label)
        self.client.volumes.create(f"slm-{stack}-weights", labels=label)
        document = json.loads(self.pulumi("stack", "export", stack=model).replace(model, stack))
        for row in document["deployment"]["resources"]:
            if row["type"].endswith(":Network"):
                row["id"] = network.id
                row["outputs"]["id"] = network.id
        return self.holds(number, document, change)

    def holds(self, number: int, document: dict[str, Any], change: Any = None) -> str:
        """A stack whose state is this document."""
        stack = f"pr-{number}"
        if change:
            change(document["deployment"])
        self.pulumi("stack", "init", stack=stack)
        # A state names what opens its secrets: here, the passphrase that the stack was made with.
        salt = yaml.safe_load((self.folder / f"Pulumi.{stack}.yaml").read_text())["encryptionsalt"]
        document["deployment"].setdefault("secrets_providers", {"type": "passphrase", "state": {"salt": salt}})
        self.pulumi("stack", "import", "--force", stack=stack, stdin=json.dumps(document))
        return stack

    def sealed(self, model: str) -> tuple[dict[str, Any], Any]:
        """What opens the secrets of a stack, and one of them as its state has it."""
        deployment = json.loads(self.pulumi("stack", "export", stack=model))["deployment"]
        network = next(row for row in deployment["resources"] if row["type"].endswith(":Network"))
        secret = _secret_in(network["inputs"])
        assert secret, "the stack has no secret: a lost passphrase would mean nothing"
        return deployment["secrets_providers"], secret

    def remove(
        self, stack: str, *, forget: bool = False, told: Mapping[str, Any] | None = None, **rules: Any
    ) -> Outcome:
        """What the sweeper makes of it."""
        with opened(self.folder) as backend:
            own = Found(name=stack, **(told or {}))
            return Remover(backend, Rules(**rules), frozenset({stack} if forget else ())).remove(own)

    def left(self, stack: str) -> list[str]:
        """What is on the engine of a stack, and whether its state is there."""
        filters = {"label": f"slm.stack={stack}"}
        here = [str(n.name) for n in self.client.networks.list(filters=dict(filters))]
        here += [str(v.name) for v in self.client.volumes.list(filters=dict(filters))]
        return here + [
            str(p.name) for p in (self.state / ".pulumi").rglob("*") if p.is_file() and p.name.startswith(stack)
        ]

    def listed(self) -> list[Found]:
        with opened(self.folder) as backend:
            return found(backend)


def _secret_in(value: Any) -> Any:
    """The first encrypted value below this one, None where there is none."""
    if isinstance(value, dict) and "ciphertext" in value:
        return value
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((found for child in below if (found := _secret_in(child))), None)


def of_cluster(stack: str, sealed: tuple[dict[str, Any], Any] | None = None) -> dict[str, Any]:
    """A state as the Kubernetes plugin leaves it: an object of a cluster that no longer answers; with a secret in it,
    where `sealed` is given."""
    provider = f"urn:pulumi:{stack}::slm::pulumi:providers:kubernetes::cluster"
    metadata = {"name": "settings", "namespace": f"slm-{stack}"}
    inputs = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {"a": sealed[1] if sealed else "b"},
    }
    now = datetime.now(UTC) - timedelta(days=1)
    known = {"kubeconfig": UNREACHABLE, "version": "4.34.2"}
    return {
        "version": 3,
        "deployment": {
            **({"secrets_providers": sealed[0]} if sealed else {}),
            "manifest": {"time": now.isoformat(), "magic": MAGIC, "version": WRITER},
            "resources": [
                {"urn": provider, "custom": True, "id": "one", "type": "pulumi:providers:kubernetes", "inputs": known,
                 "outputs": known},
                {"urn": f"urn:pulumi:{stack}::slm::kubernetes:core/v1:ConfigMap::settings", "custom": True,
                 "id": f"slm-{stack}/settings", "type": "kubernetes:core/v1:ConfigMap", "inputs": inputs,
                 "outputs": inputs, "provider": f"{provider}::one"},
            ],
        },
    }  # fmt: skip


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """An empty one; what is left of its stacks on the engine is removed at the end."""
    (folder / ".slm" / "state").mkdir(parents=True)
    (folder / "Pulumi.yaml").write_text("name: slm\nruntime: python\n")
    (folder / "__main__.py").write_text(PROGRAM)
    client = docker.from_env()
    try:
        yield Site(folder, client)
    finally:
        client.close()
        remove_stacks(lambda stack: stack.startswith(f"pr-{FIRST // 100}"))
