"""What a rehearsal was played with: versions, and for each part whether it was real."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

from rehearsal.plugins import AZURE
from tools.installer import Installer
from tools.places import CHECKOUT

REAL, SIMULATED = "real", "simulated"


@dataclass(frozen=True)
class Part:
    """One part of the world. `truth` is REAL or SIMULATED, `how` in words what that means."""

    name: str
    truth: str
    how: str


def parts(invented: tuple[str, ...]) -> list[Part]:
    """Everything a deployment meets, and whether it is the real thing here."""
    kubernetes, plugin = _origin("kubernetes"), _origin("pulumi-resource-kubernetes")
    images = f"; no registry publishes {', '.join(invented)}, so a digest was made up" if invented else ""
    return [
        Part("program and stack file", REAL, "this checkout, unchanged"),
        Part("Pulumi engine and language host", REAL, f"pulumi {_version('pulumi')}, {_origin('pulumi')}"),
        Part("Kubernetes plugin", REAL, f"pulumi-kubernetes {version('pulumi-kubernetes')}, {plugin}"),
        Part("API server, scheduler, controllers, etcd", REAL, f"Kubernetes {_version('kubernetes')}, {kubernetes}"),
        Part("admission", REAL, "the API server's own, Pod Security included; Azure Policy is not there"),
        Part("azure-native plugin, Resource Manager", SIMULATED, "checks types, rules, quota, names and roles of "
             f"azure-native {AZURE.version}; knows only the answers that a stack needs"),
        Part("nodes, kubelets, GPUs, containers", SIMULATED, f"kwok {_version('kwok')}: no image is pulled and nothing "
             f"runs, so no probe is asked and no model loaded{images}"),
        Part("disks, load balancers, cluster autoscaler", SIMULATED, "given at once; zones and speed are not played"),
        Part("network policies", SIMULATED, "real objects, read by an evaluator as Cilium would; no packet is sent"),
        Part("key vault's contents and its CSI driver", SIMULATED, "values reach a Secret only through the identity, "
             "credential and role that the deployment made"),
        Part("login", SIMULATED, "kubelogin's stand-in refuses the arguments that AKS would; nobody asks Entra"),
        Part("state and its encryption", SIMULATED, "a temporary folder and a random passphrase, in place of azblob "
             "and azurekeyvault"),
    ]  # fmt: skip


def machine() -> dict[str, str]:
    """Where it was played."""
    return {
        "checkout": _commit(),
        "machine": f"{psutil.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": platform.platform(),
        "load at the start": f"{psutil.getloadavg()[0]:.1f}",
        "Python": platform.python_version(),
    }


def _commit() -> str:
    described = ["git", "-C", str(CHECKOUT), "describe", "--always", "--dirty"]
    done = subprocess.run(described, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else Path(CHECKOUT).name


def _version(tool: str) -> str:
    return Installer().table[tool].version


def _origin(tool: str) -> str:
    found = Installer().origin(tool) if tool in Installer().table else {}
    ways = {"build": "built from packages on this machine", "official": "its publisher's own download"}
    return ways.get(str(found.get("way")), "as installed")
