"""What last ran well on a host of a fleet, kept so that it can be gone back to: its description and its images."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import yaml

from components.settings import Settings
from components.settings.stack_file import DESCRIPTION, description_of, host_of
from ops.machine import Machine, write_private

CHOICES = ("model", "images", "served", "site")


def folder(machine: Machine) -> Path:
    """Where it is kept; the folder exists once a deployment has ended well."""
    return machine.config_path.parent / "good"


def keep(machine: Machine, settings: Settings) -> None:
    """Note what runs now. Called when the host has answered; of no effect on stacks that are no host of a fleet."""
    if not host_of(machine.stack):
        return
    new = machine.directory / "good.part"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    held = machine.config().get("config") or {}
    choices = {name: held[f"slm:{name}"] for name in CHOICES if f"slm:{name}" in held}
    write_private(new / "choices.yaml", yaml.safe_dump(choices))
    write_private(new / "description.yaml", description_of(machine.stack, machine.project).read_text())
    write_private(new / "digest", digest(settings))
    shutil.rmtree(folder(machine), ignore_errors=True)
    new.rename(folder(machine))


def digest(settings: Settings) -> str:
    """Changes with anything the description says of the host's stack, pins of its images included.

    Of an image built here it does not: which one stands in for what no registry served is no part of a description.
    """
    described = settings.model_dump_json(exclude={"images", "served", "site"})
    needed = sorted({*settings.roles(), *settings.optional_roles()})
    pins = [f"{role} {settings.images[role]}" for role in needed if "@" in settings.images.get(role, "")]
    return hashlib.sha256("\n".join([described, *pins]).encode()).hexdigest()


def is_current(machine: Machine, settings: Settings) -> bool | None:
    """Whether the host runs what is described now; None when nothing has ended well there yet."""
    path = folder(machine) / "digest"
    return path.read_text() == digest(settings) if path.exists() else None


def before(machine: Machine) -> Path:
    """What ran before the last rollout reached the host; it does not exist when nothing did."""
    return machine.config_path.parent / "before"


def remember(machine: Machine) -> None:
    """Set aside what runs now, for the case that a rollout which begins must be rolled back."""
    shutil.rmtree(before(machine), ignore_errors=True)
    if folder(machine).exists():
        shutil.copytree(folder(machine), before(machine))


def put_back(machine: Machine) -> dict[str, str]:
    """Record the choices of before again; gives the variable under which commands read the description of then.

    Raises FileNotFoundError when nothing ran before.
    """
    choices = yaml.safe_load((before(machine) / "choices.yaml").read_text()) or {}
    with machine.lock(f"roll back of {machine.stack}"):
        machine.record({name: choices.get(name) for name in CHOICES})
    return {DESCRIPTION: str(before(machine) / "description.yaml")}


def hosts_left(fleet: str, project: Path, listed: set[str]) -> list[str]:
    """Hosts that were deployed from here and that the fleet's file does not list any more."""
    found = (path.name.removeprefix(f"{fleet}.") for path in (project / ".slm").glob(f"{fleet}.?*") if path.is_dir())
    return sorted(name for name in found if name not in listed)
