"""`make backup` and `make restore` on one Docker engine.

Every part but the web page stands still while it is copied, one after the other, for seconds: its own programs offer no
copy of a moment that could be asked for without giving whoever reaches them the right to change them (control 53).
Nothing is lost but the figures of these seconds: lines wait in the collector, alerts in Prometheus.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rich.console import Console

from components.monitoring import node_exporter
from components.settings import load, load_overlay
from components.webui.workload import NAME as WEBUI
from ops import docker_client, webui_backup
from ops.backup import file as backup_file
from ops.backup import told
from ops.backup.parts import NAMES, Part, parts
from ops.backup.volumes import CHUNK, Volumes
from ops.errors import UserError
from ops.machine import STATE_DIRECTORY, Machine

SUFFIX = ".zip"


def backup(stack: str, file: Path | None, console: Console) -> Path:
    """Write all that the stack keeps to `file`, readable by its owner only. Raises UserError.

    Without a file it is a new one below .slm/backups, which no `make down` touches.
    """
    machine = Machine(stack)
    with machine.lock(f"make backup STACK={stack}"), told_plainly("there is no new backup"):
        return Backups(machine, console).save(file)


def restore(stack: str, file: Path | None, console: Console) -> None:
    """Put a backup in place of what the stack keeps now, the newest one without `file`. Raises UserError.

    What it keeps now is backed up first.
    """
    machine = Machine(stack)
    harm = "the part after those named above may be incomplete; what each held is in the backup before-restore"
    with machine.lock(f"make restore STACK={stack}"), told_plainly(harm):
        Backups(machine, console).put_back(file)


@contextmanager
def told_plainly(harm: str) -> Iterator[None]:
    """An engine that cannot be reached any more, or refuses something, is no bug. Raises UserError."""
    import requests
    from docker.errors import DockerException

    try:
        yield
    except DockerException as error:
        raise UserError(
            f"the Docker engine refuses: {getattr(error, 'explanation', None) or error}",
            harm=harm,
            fix="mend what it says, then run the command again",
        ) from None
    except requests.RequestException:
        raise UserError(
            "the connection to the Docker engine was lost", harm=harm, fix="run the command again when it is back"
        ) from None


class Backups:
    """The backups of one stack, made while holding its lock."""

    def __init__(self, machine: Machine, console: Console) -> None:
        self._machine, self._console = machine, console
        self._settings = load(machine.stack, machine.project, load_overlay(machine.config_path))
        self._parts = parts(self._settings)
        if not self._parts:
            raise UserError(
                f"stack '{machine.stack}' keeps nothing that could not be made again: no monitoring, no web page",
                fix="there is nothing to do; weights are fetched again by make up",
            )
        connect = partial(docker_client.of, self._settings)
        self._volumes = Volumes(connect, machine.stack, self._settings.images["haproxy"])

    def save(self, file: Path | None, name: str = "backup") -> Path:
        """Make a backup and read it again."""
        for part in self._parts:
            self._volumes.container(part.name)
        begun = datetime.now(UTC)
        file = file or self._dated(name, begun)
        with backup_file.writing(file, self._machine.stack, begun.isoformat(timespec="seconds")) as writer:
            for part in self._parts:
                self._save(part, writer, file.parent)
        # A backup that cannot be read is none, and this is when somebody hears of it in time.
        manifest = backup_file.read(file, (part.name for part in self._parts))
        size = file.stat().st_size
        self._tell(begun.timestamp(), size)
        held = ", ".join(f"{entry.name} {entry.bytes / 1e6:.1f} MB" for entry in manifest.parts)
        self._console.print(f"  saved to {file} ({size / 1e6:.1f} MB: {held})")
        self._console.print("  whoever can read it can read all logs" + (" and every chat" if self._has_page else ""))
        return file

    def put_back(self, file: Path | None) -> None:
        """Check a backup wholly, save what is there, then replace each part that both have."""
        chosen = file or newest(self._folder)
        if chosen is None:
            raise UserError(
                f"there is no backup in {self._folder}",
                harm="nothing was changed",
                fix=f"make restore STACK={self._machine.stack} FILE=path",
            )
        manifest = backup_file.read(chosen, NAMES)
        wanted = {entry.name: entry for entry in manifest.parts}
        chosen_parts = [part for part in self._parts if part.name in wanted]
        for part in chosen_parts:
            _not_newer(part, wanted[part.name].version, chosen)
            if part.name != WEBUI:
                with backup_file.opened(chosen, part.name) as content:
                    backup_file.check_volume(part.name, content)
        self.save(None, "before-restore")
        for part in chosen_parts:
            begin = time.monotonic()
            self._put_back(part, chosen)
            self._console.print(f"  {part.name}: {part.what} as of {manifest.made} ({time.monotonic() - begin:.1f} s)")
        for name in wanted.keys() - {part.name for part in chosen_parts}:
            self._console.print(f"  {name}: in the backup, not in this stack; left out")
        for part in self._parts:
            if part.name not in wanted:
                self._console.print(f"  {part.name}: not in the backup; as it was")

    @property
    def _has_page(self) -> bool:
        return any(part.name == WEBUI for part in self._parts)

    @property
    def _folder(self) -> Path:
        return folder_of(self._machine)

    def _dated(self, name: str, moment: datetime) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self._folder / f"{name}-{moment:%Y%m%d-%H%M%S}{SUFFIX}"

    def _save(self, part: Part, writer: backup_file.Writer, folder: Path) -> None:
        if part.name == WEBUI:
            with tempfile.TemporaryFile(dir=folder) as spool:
                webui_backup.write_archive(self._volumes.container(WEBUI), spool)
                spool.seek(0)
                writer.add(part.name, part.version, iter(lambda: spool.read(CHUNK), b""))
            return
        with self._volumes.standing_still(part.name) as container:
            writer.add(part.name, part.version, self._volumes.content(container, part.path))

    def _put_back(self, part: Part, file: Path) -> None:
        with self._volumes.standing_still(part.name) as container, backup_file.opened(file, part.name) as content:
            if part.name != WEBUI:
                self._volumes.replace(container, part.volume, part.path, content)
                return
            page = self._settings.webui
            if page is None:
                raise ValueError("a part of a web page in a stack that has none")
            with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".webui-") as spool:
                while piece := content.read(CHUNK):
                    spool.write(piece)
                spool.flush()
                webui_backup.place_archive(self._volumes.client, self._machine, page, self._settings, Path(spool.name))

    def _tell(self, made: float, size: int) -> None:
        if self._settings.monitoring is None:
            return
        text = told.figures(made, size)
        self._volumes.put(node_exporter.NAME, node_exporter.TEXT_VOLUME, node_exporter.TEXT_FOLDER, told.FILE, text)


def folder_of(machine: Machine) -> Path:
    """Where backups of a stack are, unless somebody chose another place."""
    return machine.project / STATE_DIRECTORY / "backups" / machine.stack


def newest(folder: Path) -> Path | None:
    """The youngest backup in a folder by its name, or None; what was saved before a restore is not meant."""
    return max(folder.glob(f"backup-*{SUFFIX}"), default=None)


def _not_newer(part: Part, version: str, file: Path) -> None:
    if numbers(version) > numbers(part.version):
        raise UserError(
            f"{part.name} in {file} was written by version {version}, and {part.version} runs here",
            harm="an older version cannot be trusted to read a newer one's data; nothing was changed",
            fix="update this checkout and make up, then restore",
        )


def numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version, in order; what is no number in it does not count."""
    words = version.replace("-", ".").split(".")
    return tuple(int(word) for word in words if word.isdigit())
