"""Copies of a stack's state: saved before every change, checked when they are read, put back when a state was lost.

A copy holds what `pulumi stack export` says, in which secrets stay encrypted, and this machine's configuration of the
stack, whose keys are encrypted as well. What opens them, the passphrase or the vault, is in no copy.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from ops.backup import file as backup_file
from ops.backup.command import folder_of
from ops.errors import UserError
from ops.machine import STATE_DIRECTORY, Machine, write_private
from ops.pulumi_cli import Pulumi

STATE, CONFIGURATION = "state", "configuration"
PARTS = (STATE, CONFIGURATION)
KEPT = 20
"""Copies that commands made by themselves; when there are more, the oldest goes."""

FORMATS = (3, 4)
"""Versions of Pulumi's export that are known (its own field `version`)."""

MAKER = "make state-backup"


def copies(machine: Machine) -> list[Path]:
    """The copies that are there, oldest first; what a restore has replaced is not among them."""
    return sorted(folder_of(machine).glob("state-2*.zip"))


def export(pulumi: Pulumi) -> bytes:
    """The state as Pulumi writes it, byte by byte; secrets in it stay encrypted. Raises UserError."""
    with tempfile.TemporaryDirectory(dir=pulumi.machine.directory) as place:
        file = Path(place) / "state.json"
        pulumi.check("stack", "export", "-s", pulumi.machine.stack, "--file", str(file))
        return file.read_bytes()


def save(pulumi: Pulumi, file: Path | None = None, name: str = "state") -> Path | None:
    """Write a copy, and read it again. Gives its file, or None where there is nothing to save. Raises UserError.

    Without `file` it is a new one, unless the newest copy holds the same.
    """
    content = export(pulumi)
    document = _document(content, pulumi.machine.stack)
    if not resources(document):
        return None
    configuration = pulumi.machine.config_file.read_bytes() if pulumi.machine.config_file.exists() else b""
    last = next(reversed(copies(pulumi.machine)), None) if file is None and name == "state" else None
    if last and _holds(last, content, configuration):
        return last
    moment = datetime.now(UTC)
    if file is None:
        folder = folder_of(pulumi.machine)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = folder / f"{name}-{moment:%Y%m%d-%H%M%S-%f}.zip"
    made_by = str(((document.get("deployment") or {}).get("manifest") or {}).get("version") or "unknown")
    with backup_file.writing(file, pulumi.machine.stack, moment.isoformat(timespec="seconds")) as writer:
        writer.add(STATE, made_by, [content])
        if configuration:
            writer.add(CONFIGURATION, made_by, [configuration])
    backup_file.read(file, PARTS, MAKER)
    return file


def save_before_a_change(pulumi: Pulumi, console: Console) -> None:
    """Keep a copy of the state as it is, and the last KEPT of such copies. Raises UserError."""
    if file := save(pulumi):
        console.print(f"  state saved to {file.relative_to(pulumi.machine.project)}", style="dim", highlight=False)
    for old in copies(pulumi.machine)[:-KEPT]:
        old.unlink()


def remove_copies(machine: Machine) -> int:
    """Remove every copy of a stack's state, and their folder unless backups are in it; gives how many there were."""
    folder = folder_of(machine)
    found = list(folder.glob("state-*.zip"))
    for file in found:
        file.unlink()
    if folder.exists() and not any(folder.iterdir()):
        folder.rmdir()
    return len(found)


def read(file: Path, stack: str) -> tuple[backup_file.Manifest, bytes, bytes]:
    """A copy's manifest, state and configuration, when it is whole and of this stack. Raises UserError."""
    manifest = backup_file.read(file, PARTS, MAKER)
    if manifest.stack != stack:
        raise UserError(
            f"{file} is a copy of stack '{manifest.stack}'",
            harm=f"its resources are not those of '{stack}'; nothing was changed",
            fix=f"make state-restore STACK={manifest.stack}, or give another FILE",
        )
    held = {entry.name for entry in manifest.parts}
    contents = {}
    for part in PARTS:
        if part in held:
            with backup_file.opened(file, part) as content:
                contents[part] = content.read()
    state = contents.get(STATE, b"")
    _document(state, stack, file)
    return manifest, state, contents.get(CONFIGURATION, b"")


def put_back(pulumi: Pulumi, file: Path | None, console: Console) -> None:
    """Put a copy in place of the state, the newest without `file`. What is there is saved first. Raises UserError."""
    machine, stack = pulumi.machine, pulumi.machine.stack
    chosen = file or next(reversed(copies(machine)), None)
    if chosen is None:
        raise UserError(
            f"there is no copy of the state in {folder_of(machine)}",
            harm="nothing was changed",
            fix=f"make state-restore STACK={stack} FILE=path",
        )
    manifest, state, configuration = read(chosen, stack)
    _require_passphrase(machine, json.loads(state))
    if configuration and not machine.config():
        write_private(machine.config_file, configuration.decode())
        console.print("  this machine's configuration of the stack was gone: put back as well")
    if not pulumi.exists():
        pulumi.make(restored=True)
    elif before := save(pulumi, name="state-before-restore"):
        console.print(f"  what was there is in {before.relative_to(machine.project)}")
    with tempfile.TemporaryDirectory(dir=machine.directory) as place:
        given = Path(place) / "state.json"
        given.write_bytes(state)
        pulumi.check("stack", "import", "-s", stack, "--file", str(given))
    count = len(resources(json.loads(state)))
    console.print(f"  state of stack '{stack}' is as of {manifest.made}: {count} resources")
    console.print(f"  what was made or removed since, it does not know: make recover STACK={stack} looks")


def resources(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The resources of an export, without the stack itself."""
    found = (document.get("deployment") or {}).get("resources") or []
    return [one for one in found if one.get("type") != "pulumi:pulumi:Stack"]


def _holds(file: Path, state: bytes, configuration: bytes) -> bool:
    try:
        with backup_file.opened(file, STATE) as content:
            if content.read() != state:
                return False
        with backup_file.opened(file, CONFIGURATION) as content:
            return content.read() == configuration
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return False  # A copy that cannot be read is none.


def _document(state: bytes, stack: str, file: Path | None = None) -> dict[str, Any]:
    """The export as data. Raises UserError for what is none, or is of a form that is not known."""
    where = str(file) if file else "what pulumi stack export wrote"
    try:
        document = json.loads(state)
        version = document["version"]
        held = (document["deployment"] or {}).get("resources") or []
        urns = [one["urn"] for one in held]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{where} is no state of Pulumi's", harm="nothing was changed", fix="give another FILE"
        ) from None
    if version not in FORMATS:
        raise UserError(
            f"{where} has form {version}, and this tool knows {', '.join(map(str, FORMATS))}",
            harm="nothing was changed: what is not understood is not put back",
            fix="use the checkout that wrote it, or a newer one",
        )
    if strange := [urn for urn in urns if not urn.startswith(f"urn:pulumi:{stack}::")]:
        raise UserError(
            f"{where} holds {strange[0]}, which is none of stack '{stack}'",
            harm="nothing was changed",
            fix="give another FILE",
        )
    return dict(document)


def _require_passphrase(machine: Machine, document: dict[str, Any]) -> None:
    """Raise UserError where a state of a passphrase would be put back on a machine that does not have it."""
    provider = ((document.get("deployment") or {}).get("secrets_providers") or {}).get("type")
    if provider == "passphrase" and not Pulumi(machine).has_passphrase():
        raise UserError(
            f"the passphrase of stack '{machine.stack}' is not on this machine",
            harm="the copy's secrets could not be read; nothing was changed",
            fix=f"put it into {STATE_DIRECTORY}/{machine.stack}/passphrase, or set PULUMI_CONFIG_PASSPHRASE_FILE",
        )
