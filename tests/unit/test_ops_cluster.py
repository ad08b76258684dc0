"""`make up`, `rotate-key` and `down` of a stack on a cluster: in which order, what is refused, what is asked."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from components.settings import Settings, load
from ops import cluster
from ops.errors import UserError
from ops.machine import Machine
from ops.secrets import keys

pytestmark = pytest.mark.unit
PROJECT = Path(__file__).resolve().parents[2]
IMAGES = {role: f"slmprodexample.azurecr.io/slm/{role}@sha256:{'a' * 64}" for role in ("fetch", "ollama-exporter")}
AZURE = "azblob://pulumi-state?storage_account=slmstate"


class Vault:
    """Secrets by name, in memory."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}

    def get(self, name: str) -> str | None:
        return self.held.get(name)

    def set(self, name: str, content: str) -> None:
        self.held[name] = content


class Pulumi:
    """Writes down what it is asked to do; secrets are plain here."""

    def __init__(self, machine: Machine, done: list[str], secrets: dict[str, str]) -> None:
        self.machine, self.done, self.held = machine, done, secrets

    def environment(self) -> dict[str, str]:
        return {"PULUMI_BACKEND_URL": self.held.get("backend", AZURE)}

    def ensure_stack(self) -> None:
        self.done.append("stack")

    def secret(self, key: str) -> str | None:
        return self.held.get(key)

    def set_secret(self, key: str, value: str) -> None:
        self.held[key] = value

    def check(self, *arguments: str, **_: Any) -> str:
        if arguments[:2] == ("stack", "export"):
            return "{}"
        self.done.append(" ".join(arguments))
        return ""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Machine, list[str], dict[str, str]]:
    """A machine, what Pulumi did there, and its secrets."""
    machine, done = Machine("prod", tmp_path), list[str]()
    (tmp_path / "Pulumi.prod.yaml").write_text((PROJECT / "Pulumi.prod.yaml").read_text())
    secrets = {"gateway-certificate": "a certificate", "gateway-certificate-key": "its key"}
    monkeypatch.setattr(cluster, "Pulumi", lambda m: Pulumi(m, done, secrets))
    monkeypatch.setattr("ops.state.backup.save_before_a_change", lambda *_: done.append("state saved"))
    monkeypatch.setattr(
        cluster,
        "apply",
        lambda _p, _c, *arguments, plan=None, **_: done.append(" ".join(arguments + (("planned",) if plan else ()))),
    )
    monkeypatch.setattr(cluster.policies, "for_update", lambda settings, environment: {})
    return machine, done, secrets


def production(**overlay: Any) -> Settings:
    allowed = {"allow_registries": ["docker.io", "slmprodexample.azurecr.io"]}
    return load("prod", PROJECT, {"slm:images": IMAGES, "slm:security": allowed, **overlay})


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200)


def said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_vault_is_there_and_filled_before_anything_in_the_cluster_is_made(
    site: tuple[Machine, list[str], dict[str, str]],
) -> None:
    machine, done, secrets = site
    vault = Vault()

    def opened(name: str) -> Vault:
        done.append(f"vault {name}")
        return vault

    cluster.up(machine, production(), quiet(), opened)
    assert done[:5] == [
        "stack",
        "state saved",
        "up --skip-preview --exclude **kubernetes:** --exclude-dependents",
        "vault slm-prod-example",
        "up --skip-preview",
    ]
    (key,) = json.loads(secrets["apiKeys"]).values()
    assert vault.held
    assert key not in str(vault.held), "the vault holds digests of keys"


def test_a_saved_plan_is_done_in_one_step_with_the_vault_filled_before(
    site: tuple[Machine, list[str], dict[str, str]],
) -> None:
    machine, done, _ = site
    cluster.up(machine, production(), quiet(), lambda _: Vault(), plan=Path("plan.json"))
    assert [step for step in done if step.startswith("up")] == ["up --skip-preview planned"]


def test_what_nobody_gave_is_named_before_pods_would_wait_for_it_unless_the_vault_has_it(
    site: tuple[Machine, list[str], dict[str, str]],
) -> None:
    machine, done, secrets = site
    del secrets["gateway-certificate-key"]
    vault = Vault()
    with pytest.raises(UserError, match=r"vault has no secret gateway-certificate-key"):
        cluster.up(machine, production(), quiet(), lambda _: vault)
    assert done[-1].endswith("--exclude-dependents"), "nothing was made in the cluster"
    vault.set("gateway-certificate-key", "renewed by the vault itself")
    cluster.up(machine, production(), quiet(), lambda _: vault)
    assert vault.held["gateway-certificate-key"] == "renewed by the vault itself"


def test_control_63_state_on_this_machine_alone_is_refused_before_anything_is_done(
    site: tuple[Machine, list[str], dict[str, str]],
) -> None:
    machine, done, secrets = site
    secrets["backend"] = "file:///somewhere"
    with pytest.raises(UserError, match=r"state would lie on this machine alone.*\n.*\n.*azblob"):
        cluster.up(machine, production(), quiet(), lambda _: Vault())
    assert done == []


def test_control_63_a_passphrase_is_refused_before_anything_is_done(
    site: tuple[Machine, list[str], dict[str, str]],
) -> None:
    machine, done, _ = site
    (machine.project / "Pulumi.prod.yaml").write_text("secretsprovider: passphrase\n")
    with pytest.raises(UserError, match=r"secretsprovider passphrase.*\n.*\n.*azurekeyvault"):
        cluster.up(machine, production(), quiet(), lambda _: Vault())
    assert done == []


def test_an_image_that_no_cluster_can_pull_is_named_with_its_fix(
    site: tuple[Machine, list[str], dict[str, str]],
) -> None:
    machine, done, _ = site
    with pytest.raises(UserError, match=r"no image for fetch, ollama-exporter that a cluster can pull"):
        cluster.up(machine, load("prod", PROJECT, {}), quiet(), lambda _: Vault())
    assert done == []


def test_a_key_is_retired_only_after_every_gateway_had_the_time_to_read_the_new_one(
    site: tuple[Machine, list[str], dict[str, str]],
) -> None:
    machine, done, secrets = site
    pulumi, vault, seen = Pulumi(machine, done, secrets), Vault(), list[list[str]]()

    def wait(seconds: float) -> None:
        assert seconds >= 120
        seen.append(sorted(json.loads(secrets["apiKeys"])))

    old = {"key-1": "slm-" + "o" * 40}
    console = quiet()
    cluster.rotate(pulumi, production(), old, console, lambda _: vault, wait)  # type: ignore[arg-type]
    assert seen == [["key-1", "key-2"], ["key-2"]]
    assert done == [], "no deployment: the pods read the vault"
    assert list(keys.made(machine)) == ["key-2"]
    assert "make up STACK=prod tells monitoring of the new key's age" in said(console)


@pytest.mark.parametrize("typed", ["", "\n", "dev\n", "PROD\n"])
def test_control_68_production_goes_down_only_after_its_name_was_typed(
    site: tuple[Machine, list[str], dict[str, str]], typed: str
) -> None:
    machine, done, _ = site
    with pytest.raises(UserError, match="nothing was changed"):
        cluster.down(machine, production(), quiet(), lambda: typed)
    assert done == []


def test_a_teardown_unprotects_destroys_and_says_what_stays(site: tuple[Machine, list[str], dict[str, str]]) -> None:
    machine, done, _ = site
    console = quiet()
    cluster.down(machine, production(), console, lambda: "prod\n")
    assert done == ["stack", "state saved", "state unprotect --all --yes -s prod", "destroy --refresh"]
    assert "kept: key vault slm-prod-example" in said(console)


def test_a_stack_on_docker_is_none_of_its() -> None:
    assert not cluster.runs(load("dev", PROJECT, {}))
    assert cluster.runs(load("prod", PROJECT, {}))


def test_the_commands_lead_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ops import down, up

    called: list[str] = []

    def note(name: str) -> Callable[..., None]:
        return lambda *_, **__: called.append(name)

    monkeypatch.setattr("ops.machine.PROJECT", PROJECT)
    monkeypatch.setattr(cluster, "up", note("up"))
    monkeypatch.setattr(cluster, "down", note("down"))
    monkeypatch.setattr(up, "Machine", lambda stack: Machine(stack, _copied(tmp_path)))
    monkeypatch.setattr(down, "Machine", lambda stack: Machine(stack, _copied(tmp_path)))
    up.run("prod", None, quiet())
    assert called == ["up"]
    Machine("prod", tmp_path).record({"model": None, "site": {"proxy": "http://proxy.example:3128"}})
    down.run("prod", False, quiet())
    assert called == ["up", "down"]


def _copied(folder: Path) -> Path:
    for name in ("Pulumi.yaml", "Pulumi.prod.yaml"):
        (folder / name).write_text((PROJECT / name).read_text())
    return folder
