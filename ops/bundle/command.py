"""`make bundle`: gather, list, sign, write."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from components.settings import Fleet, Settings, load
from components.settings.bundled import with_sources_of
from ops import docker_client
from ops.bundle import contents, images, program, programs, sbom, signing, weights, wheels
from ops.bundle.item import Item
from ops.bundle.writer import loader, write
from ops.errors import UserError
from ops.fleet.choose import choose
from ops.fleet.command import HOSTS, fleet_of
from ops.machine import PROJECT, STATE_DIRECTORY, Machine, write_private
from tools.installer import Installer
from tools.load.manifest import Manifest
from tools.load.signature import fingerprint

SUFFIX = ".bundle.tar"


@dataclass(frozen=True)
class Part:
    """What a table shows of the bundle in one line."""

    what: str
    told: str
    items: Sequence[Item]


def run(stack: str, file: Path | None, key: Path | None, pythons: str, console: Console) -> Path:
    """Write the bundle of a stack, or of a fleet's chosen hosts. Raises UserError, SettingsError.

    `pythons` are the Pythons its packages are for, with commas; those of `wheels.PYTHONS` when empty.
    """
    key = key or signing.KEY
    signing.sign(b"", key)  # Before an hour of gathering: whether it can be signed in the end.
    with Machine(stack).lock(f"make bundle STACK={stack}"):
        return _make(stack, file, key, wheels.chosen(pythons), console)


def _make(stack: str, file: Path | None, key: Path, pythons: tuple[str, ...], console: Console) -> Path:
    fleet = fleet_of(stack)
    by_stack = {name: load(name, PROJECT) for name in _stacks(stack, fleet)}
    for name, settings in by_stack.items():
        settings.require_deployable(name)
    made = datetime.now(UTC)
    head, changed = program.commit()
    version = _version(stack, made, head)
    installer = Installer()
    tree, secrets = program.gather(stack)
    packages = wheels.gather(signing.FOLDER / "wheels", installer.platform, console, pythons)
    tools = programs.gather(installer, fleet=fleet is not None)
    chosen, blobs = images.gather(by_stack.values(), console)
    wanted = weights.forms(by_stack.items())
    files = weights.gather(wanted, signing.FOLDER / "weights", console)
    local = docker_client.connect()
    held = {role: contents.packages(local, image.id) for role, image in chosen.items()}
    bill = sbom.bill(stack, version, made, packages, tools, chosen, held, wanted).encode()
    pyz = loader()
    own = [Item("load.pyz", pyz, executable=True), Item("load.pyz.sig", signing.sign(pyz, key))]
    commit = f"{head[:12] or 'no commit'}{f', {changed} files changed since' if changed else ''}"
    parts = [
        Part("loader", "make load as one file, and its signature", own),
        Part("bill of materials", "CycloneDX 1.6", [Item("sbom.cdx.json", bill)]),
        Part("program", commit, tree),
        Part("packages", f"for Python {', '.join(pythons)}", packages),
        Part("tools", ", ".join(tools), [item for one in tools.values() for item in one]),
        Part("images", ", ".join(chosen), blobs),
        Part("weights", ", ".join(form.model.name for form in wanted), files),
    ]
    items = [item for part in parts for item in part.items]
    with console.status("reading what goes in"):
        members = tuple(item.member() for item in items)
    manifest = Manifest(
        stack=stack,
        hosts=os.environ.get(HOSTS, ""),
        version=version,
        commit=commit,
        platform=f"{installer.platform.os}/{installer.platform.arch}",
        pythons=pythons,
        glibc=wheels.glibc(packages),
        supply=supply(stack, by_stack, fleet, secrets, {form.pin for form in wanted}),
        members=members,
    )
    path = file or PROJECT / STATE_DIRECTORY / "bundles" / f"{stack}-{version}{SUFFIX}"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with console.status("writing") as status:
        done = manifest.size / 1e9

        def report(written: int) -> None:
            status.update(f"writing {written / 1e9:.1f} of {done:.1f} GB")

        write(path, manifest, signing.sign(manifest.text(), key), items, report)
    write_private(_last(stack), version)
    _tell(path, manifest, parts, key, console)
    return path


def _stacks(stack: str, fleet: Fleet | None) -> list[str]:
    chosen = os.environ.get(HOSTS, "")
    if fleet is None:
        if chosen:
            raise UserError(f"'{stack}' is no fleet, so HOSTS={chosen} chooses nothing", fix="leave HOSTS out")
        if "." in stack:
            fix = f"make bundle STACK={stack.partition('.')[0]} HOSTS={stack.partition('.')[2]}"
            raise UserError(f"'{stack}' is one host of a fleet, and a bundle is of a stack's file", fix=fix)
        return [stack]
    return [f"{stack}.{host}" for host in choose(fleet, chosen)]


def _last(stack: str) -> Path:
    return signing.FOLDER / f"last-{stack}"


def _version(stack: str, made: datetime, head: str) -> str:
    """Later versions sort behind earlier ones, also when this machine's clock was set back."""
    version = f"{made:%Y%m%dT%H%M%SZ}-{head[:12] or 'nocommit'}"
    last = _last(stack).read_text() if _last(stack).exists() else ""
    if version.partition("-")[0] <= last.partition("-")[0]:
        raise UserError(
            f"the last bundle of '{stack}' is {last}, and this machine's clock says {version[:16]}",
            harm="whoever has loaded that one would take this one for older",
            fix="set the clock right, then run the command again",
        )
    return version


def supply(
    stack: str, by_stack: Mapping[str, Settings], fleet: Fleet | None, taken_out: Sequence[str], pins: set[str]
) -> tuple[str, ...]:
    """What the other machine must be given by other means, in words."""
    told = ["a Docker engine, make, Python 3.11 or newer and OpenSSH's client, from its own system"]
    settings = next(iter(by_stack.values()))
    if settings.environment == "prod":
        told.append("a strong passphrase for the stack's secrets: PULUMI_CONFIG_PASSPHRASE_FILE=file")
    names = {name: None for one in by_stack.values() for name in with_sources_of(one, pins).secret_names()}
    if fleet and (tls := settings.gateway.tls):
        names = {name: None for name in names if name not in (tls.certificate, tls.key)}
        told.append("the fleet's certificate authority: make up makes one there; copy .slm/*/ca to keep this machine's")
    told += [f"the secret {name}: make secret NAME={name} STACK={stack}" for name in names]
    told += [f"{name}, encrypted here and left out" for name in taken_out]
    if fleet:
        keys = {host.key_file for host in map(fleet.host, fleet.hosts) if host.key_file}
        told += [f"the SSH key that the hosts let in: {key}" for key in sorted(keys)]
    told.append("API keys and state: made anew there; to go on with this machine's, copy .slm by a safe way")
    return tuple(told)


def _tell(path: Path, manifest: Manifest, parts: Sequence[Part], key: Path, console: Console) -> None:
    table = Table("part", "what", "files", "MB")
    sizes = {member.name: member.size for member in manifest.members}
    for part in parts:
        size = sum(sizes[item.name] for item in part.items)
        table.add_row(part.what, part.told, str(len(part.items)), f"{size / 1e6:.1f}")
    table.add_row("together", manifest.version, str(len(sizes)), f"{path.stat().st_size / 1e6:.1f}")
    console.print(table)
    for one in manifest.supply:
        console.print(f"  not in it: {one}", markup=False, soft_wrap=True)
    console.print(f"  written to {path}, signed by {fingerprint(signing.public_of(key))}", markup=False, soft_wrap=True)
    console.print("  there: make load FILE=… KEY=bundle-key.pub; on a machine with nothing, see docs/edge.md")
