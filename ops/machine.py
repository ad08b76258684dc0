"""What belongs to this machine and is never committed: state, passphrase, keys, recorded choices; all under `.slm/`."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from ops.audit import notes as audit
from ops.errors import UserError

PROJECT = Path(__file__).resolve().parent.parent
STATE_DIRECTORY = ".slm"
PASSPHRASE = "passphrase"  # noqa: S105 - the name of its file


def states(project: Path) -> Path:
    """The folder of the states that a checkout keeps itself; Pulumi fails where there is no folder."""
    path = project / STATE_DIRECTORY / "state"
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


@dataclass(frozen=True)
class Machine:
    """This machine's part of one stack. Everything is readable by the owner only."""

    stack: str
    project: Path = PROJECT

    @cached_property
    def directory(self) -> Path:
        """`.slm/<stack>`, made when asked for."""
        path = self.config_path.parent
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path

    @property
    def config_path(self) -> Path:
        """Where `config_file` is, without making its folder: it exists once the stack was prepared here."""
        return self.project / STATE_DIRECTORY / self.stack / f"Pulumi.{self.stack}.yaml"

    @property
    def backend(self) -> Path:
        """The Pulumi state of all stacks kept on this machine."""
        return states(self.project)

    @property
    def config_file(self) -> Path:
        """The configuration file Pulumi writes: salt, encrypted keys, recorded choices."""
        return self.directory / self.config_path.name

    @property
    def fleet(self) -> str:
        """The fleet that this stack is a host of, or describes; the stack's own name where there is none."""
        return self.stack.partition(".")[0]

    @property
    def authority(self) -> Path:
        """The certificate of the fleet's own certificate authority; it exists once it was made here."""
        return self.project / STATE_DIRECTORY / self.fleet / "ca" / "ca.pem"

    @property
    def progress_file(self) -> Path:
        """Where jobs of a running deployment report, one JSON object a line."""
        return self.directory / "progress.jsonl"

    @property
    def passphrase_file(self) -> Path:
        """The passphrase of a development stack, made at random on first use."""
        path = self.directory / PASSPHRASE
        if not path.exists():
            write_private(path, secrets.token_urlsafe(32) + "\n")
        return path

    def config(self) -> dict[str, Any]:
        """The machine's configuration file as plain data; encrypted values stay encrypted."""
        if not self.config_file.exists():
            return {}
        return yaml.safe_load(self.config_file.read_text()) or {}

    def record(self, values: Mapping[str, Any]) -> None:
        """Keep choices in the configuration file, by key without namespace; None forgets one."""
        document = self.config()
        config = dict(document.get("config") or {})
        for key, value in values.items():
            if value is None:
                config.pop(f"slm:{key}", None)
            else:
                config[f"slm:{key}"] = value
        if config != (document.get("config") or {}):
            write_private(self.config_file, yaml.safe_dump({**document, "config": config}, sort_keys=False))

    @contextmanager
    def lock(self, doing: str) -> Iterator[None]:
        """Only one of us changes a stack at a time, and it is written down who, here and in the stack's log store.

        Raises UserError naming who does.
        """
        # It needs the settings and the ways into a stack, whose modules need this one.
        from ops.audit.shipping import sent_afterwards

        holder = self.directory / "lock.txt"
        lock = FileLock(self.directory / "lock", timeout=0)
        try:
            with lock:
                holder.write_text(f"'{doing}' of process {os.getpid()}")
                noted = audit.noted(self.project / STATE_DIRECTORY / audit.FILE, self.stack, doing)
                with sent_afterwards(self), noted:
                    yield
        except Timeout:
            raise UserError(
                f"stack '{self.stack}' is being changed by {holder.read_text()}",
                harm="two changes at once would work against each other, so this one did nothing",
                fix="wait for it to end, then run the command again",
            ) from None


def write_private(path: Path, content: str) -> None:
    """Replace a file in one step, readable by its owner only."""
    part = path.with_name(f".{path.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
    part.replace(path)
