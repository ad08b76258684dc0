"""Runs inside a container: writes what Open WebUI keeps as one archive, and puts such an archive in its place.

    python3 archive.py write VERSION < nothing > archive.tar.gz     while Open WebUI runs
    python3 archive.py place                                        while it does not; reads DATA/.restore.tar.gz

Only the standard library of any Python 3.11: it runs in the site's own image and in the official one.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import sys
import tarfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

DATA = Path("/data")
DATABASE = "webui.db"
UPLOADS = "uploads"
MANIFEST = "manifest.json"
INCOMING = ".restore.tar.gz"
COUNTED = ("user", "auth", "chat", "file")
"""Tables whose rows are counted, so that a restored database can be compared with what was backed up."""


class Unusable(ValueError):
    """An archive that must not be put in place, with the reason."""


def write(data: Path, version: str, out: IO[bytes]) -> dict[str, Any]:
    """Write the database as it is at one moment, and the uploaded files; gives the manifest.

    Open WebUI may go on working: SQLite's own backup sees each change wholly or not at all.
    """
    work = data / ".backup"
    shutil.rmtree(work, ignore_errors=True)  # of a backup that was killed
    work.mkdir(mode=0o700)
    try:
        copy = work / DATABASE
        with closing(sqlite3.connect(data / DATABASE)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            # The copy is one file: without this a reader would make two more beside it.
            target.execute("PRAGMA journal_mode=DELETE")
        uploads = sorted(path for path in (data / UPLOADS).rglob("*") if path.is_file() and not path.is_symlink())
        manifest = {
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "open_webui": version,
            "sha256": _digest(copy),
            "rows": rows(copy),
            "uploads": len(uploads),
        }
        (work / MANIFEST).write_text(json.dumps(manifest))
        with tarfile.open(fileobj=out, mode="w|gz", format=tarfile.PAX_FORMAT) as tar:
            tar.add(work / MANIFEST, MANIFEST)
            tar.add(copy, DATABASE)
            for path in uploads:
                tar.add(path, str(path.relative_to(data)))
        out.flush()
        return manifest
    finally:
        shutil.rmtree(work)


def place(data: Path) -> dict[str, Any]:
    """Put DATA/.restore.tar.gz in place and give its manifest; the archive is gone afterwards.

    Everything is checked before anything is replaced. Raises Unusable.
    """
    work = data / ".restore"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(mode=0o700)
    try:
        manifest = _unpack(data / INCOMING, work)
        for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm"):
            (data / name).unlink(missing_ok=True)
        shutil.rmtree(data / UPLOADS, ignore_errors=True)
        (work / UPLOADS).mkdir(exist_ok=True)
        (work / UPLOADS).rename(data / UPLOADS)
        (work / DATABASE).rename(data / DATABASE)
        return manifest
    finally:
        shutil.rmtree(work)
        (data / INCOMING).unlink(missing_ok=True)


def rows(database: Path) -> dict[str, int]:
    """Rows of the counted tables. Raises Unusable for a database that is damaged or not Open WebUI's."""
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            (state,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if state != "ok":
                raise Unusable(f"its database is damaged: {state}")
            # The names are the four above, never a person's.
            return {t: connection.execute(f'SELECT count(*) FROM "{t}"').fetchone()[0] for t in COUNTED}  # noqa: S608
    except sqlite3.Error as error:
        raise Unusable(f"its database cannot be read: {error}") from None


def _unpack(archive: Path, work: Path) -> dict[str, Any]:
    try:
        with tarfile.open(archive, mode="r|gz") as tar:
            for member in tar:
                # Links and paths out of the folder are what an archive of somebody else would bring.
                parts = Path(member.name).parts
                known = member.name in (MANIFEST, DATABASE) or (parts[:1] == (UPLOADS,) and len(parts) > 1)
                content = tar.extractfile(member) if member.isreg() and known and ".." not in parts else None
                if content is None:
                    raise Unusable(f"it holds '{member.name[:80]}', which no backup has")
                target = work / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as file:
                    shutil.copyfileobj(content, file)
        manifest: dict[str, Any] = json.loads((work / MANIFEST).read_text())
        digest, counted = _digest(work / DATABASE), rows(work / DATABASE)
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise error if isinstance(error, Unusable) else Unusable(f"it is no whole backup: {error}") from None
    if digest != manifest.get("sha256") or counted != manifest.get("rows"):
        raise Unusable("its database is not the one its manifest describes")
    return manifest


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> int:
    """Do what the arguments say; a reason on standard error and exit code 1 for an archive that is refused."""
    try:
        if sys.argv[1:2] == ["write"]:
            print(json.dumps(write(DATA, sys.argv[2], sys.stdout.buffer)), file=sys.stderr)
        else:
            print(json.dumps(place(DATA)))
    except Unusable as error:
        print(f"the backup is refused: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
