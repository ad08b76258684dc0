"""The file of a backup: an archive with one entry for each part, and a manifest that says what they are."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from pydantic import Field, ValidationError

from components.workload import Name, Value
from ops.errors import UserError

MANIFEST = "manifest.json"
CHUNK = 2**20


class Entry(Value):
    """One part: the version of the program that wrote it, its size in bytes, and the digest of its content."""

    name: Name
    version: str
    bytes: int = Field(ge=0)
    sha256: str


class Manifest(Value):
    """What a backup holds. `made` is when it was begun (UTC), `page` what the web page's archive says of itself."""

    format: Literal[1] = 1
    stack: str
    made: str
    parts: tuple[Entry, ...] = Field(min_length=1)


class Writer:
    """Adds parts to a backup that is being written."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.entries: list[Entry] = []

    def add(self, name: str, version: str, content: Iterable[bytes]) -> Entry:
        """Write a part as it arrives, however long it is."""
        digest, size = hashlib.sha256(), 0
        with self._archive.open(entry_name(name), "w", force_zip64=True) as out:
            for piece in content:
                out.write(piece)
                digest.update(piece)
                size += len(piece)
        entry = Entry(name=name, version=version, bytes=size, sha256=digest.hexdigest())
        self.entries.append(entry)
        return entry


def entry_name(part: str) -> str:
    """What a part is called in the archive."""
    return f"{part}.data"


@contextmanager
def writing(file: Path, stack: str, made: str) -> Iterator[Writer]:
    """A backup at `file`, readable by its owner only; it appears once it is whole. Raises UserError."""
    part = file.with_name(f".{file.name}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                writer = Writer(archive)
                yield writer
                manifest = Manifest(stack=stack, made=made, parts=tuple(writer.entries))
                archive.writestr(MANIFEST, manifest.model_dump_json(indent=1))
            out.flush()
            os.fsync(out.fileno())
        part.replace(file)
    except OSError as error:
        if error.errno is None:
            raise  # Not the disk's: the container engine's client has such errors as well.
        raise UserError(
            f"{file} cannot be written: {error.strerror}", harm="there is no new backup", fix="give another FILE"
        ) from None
    finally:
        part.unlink(missing_ok=True)


def read(file: Path, known: Iterable[str], maker: str = "make backup") -> Manifest:
    """The manifest of a backup that is whole, every byte of it as it was written. Raises UserError.

    `known` are the parts there can be, `maker` the command that writes such files. Their content is trusted as far as
    its names: no link, no way out of the volume.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = Manifest.model_validate(json.loads(archive.read(MANIFEST)))
            names = [entry.name for entry in manifest.parts]
            if sorted(archive.namelist()) != sorted([MANIFEST, *map(entry_name, names)]):
                raise ValueError("it does not hold what its manifest says")
            if strange := set(names) - set(known):
                raise ValueError(f"it holds '{sorted(strange)[0]}', which no stack has")
            for entry in manifest.parts:
                with archive.open(entry_name(entry.name)) as content:
                    _compare(entry, content)
    except FileNotFoundError:
        raise UserError(f"there is no backup {file}", harm="nothing was changed", fix="give FILE=path") from None
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, KeyError, ValueError) as error:
        why = "its manifest is none" if isinstance(error, ValidationError) else str(error)
        raise UserError(
            f"{file} is no whole backup: {why}", harm="nothing was changed", fix=f"give a file that {maker} wrote"
        ) from None
    return manifest


def _compare(entry: Entry, content: IO[bytes]) -> None:
    digest, size = hashlib.sha256(), 0
    while piece := content.read(CHUNK):
        digest.update(piece)
        size += len(piece)
    if (size, digest.hexdigest()) != (entry.bytes, entry.sha256):
        raise ValueError(f"{entry.name} is not what was saved")


@contextmanager
def opened(file: Path, part: str) -> Iterator[IO[bytes]]:
    """The content of a part."""
    with zipfile.ZipFile(file) as archive, archive.open(entry_name(part)) as content:
        yield content


def check_volume(part: str, content: IO[bytes]) -> int:
    """The number of files in a part that is a volume's content. Raises UserError for what no volume of ours has."""
    count = 0
    try:
        with tarfile.open(fileobj=content, mode="r|") as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                if not (member.isreg() or member.isdir()) or path.is_absolute() or ".." in path.parts:
                    raise ValueError(f"it holds '{member.name[:80]}', which no volume of it has")
                count += member.isreg()
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise UserError(
            f"the backup's {part} cannot be put back: {error}",
            harm="nothing was changed",
            fix="give a file that make backup wrote",
        ) from None
    return count
