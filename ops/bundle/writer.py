"""Writes a bundle: manifest, signature, then every file, in one pass and with nothing held in memory."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from ops.bundle.item import Item
from ops.errors import UserError
from ops.machine import PROJECT
from tools.load.archive import CHUNK, MANIFEST, SIGNATURE, ending, header, padding
from tools.load.manifest import Manifest

Report = Callable[[int], object]
"""Told how many bytes are written."""
MAIN = "import sys\n\nfrom tools.load.__main__ import main\n\nsys.exit(main())\n"
LOADER = (
    "tools/__init__.py",
    "tools/bootstrap.py",
    "tools/errors.py",
    "ops/__init__.py",
    "ops/audit/__init__.py",
    "ops/audit/notes.py",
)


def loader(project: Path = PROJECT) -> bytes:
    """`make load` as one file that any Python runs: for machines that have nothing of this project yet."""
    packed = io.BytesIO()
    names = [*LOADER, *(f"tools/load/{path.name}" for path in (project / "tools/load").glob("*.py"))]
    with zipfile.ZipFile(packed, "w") as archive:
        # Without dates: the same program is the same file.
        archive.writestr(zipfile.ZipInfo("__main__.py"), MAIN)
        for name in sorted(names):
            archive.writestr(zipfile.ZipInfo(name), (project / name).read_bytes(), zipfile.ZIP_DEFLATED)
    return b"#!/usr/bin/env python3\n" + packed.getvalue()


def write(file: Path, manifest: Manifest, signature: bytes, items: Sequence[Item], report: Report) -> None:
    """Write the archive; it appears once it is whole. Raises UserError, also for a file that changed meanwhile."""
    part = file.with_name(f".{file.name}.part")
    try:
        with part.open("wb") as out:
            written = 0
            for name, text in ((MANIFEST, manifest.text()), (SIGNATURE, signature)):
                written += _entry(out, header(name, len(text)), io.BytesIO(text))
            for member, item in zip(manifest.members, items, strict=True):
                digest = hashlib.sha256()
                top = header(member.name, member.size, executable=member.executable)
                with item.open() as content:
                    written += _entry(out, top, content, digest.update)
                if digest.hexdigest() != member.sha256:
                    raise UserError(
                        f"{item.source if isinstance(item.source, Path) else item.name} is not what it should be",
                        harm=f"its sha256 is {digest.hexdigest()} in place of {member.sha256}; there is no new bundle",
                        fix="see who changes it, or give the weights' right file; then run the command again",
                    )
                report(written)
            out.write(ending(written))
            out.flush()
            os.fsync(out.fileno())
        part.replace(file)
    except OSError as error:
        raise UserError(
            f"{file} cannot be written: {error.strerror}", harm="there is no new bundle", fix="give another FILE"
        ) from None
    finally:
        part.unlink(missing_ok=True)


def _entry(out: IO[bytes], top: bytes, content: IO[bytes], each: Callable[[bytes], object] = len) -> int:
    """Write a header and a content with its padding. Gives the bytes written."""
    out.write(top)
    size = 0
    while piece := content.read(CHUNK):
        each(piece)
        out.write(piece)
        size += len(piece)
    out.write(padding(size))
    return len(top) + size + len(padding(size))
