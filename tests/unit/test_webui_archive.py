"""Backups of Open WebUI: whole or refused, and nothing is replaced by what is refused."""

from __future__ import annotations

import io
import json
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from components.webui import archive
from ops import webui_backup
from ops.errors import UserError

pytestmark = pytest.mark.unit


def filled(folder: Path, chats: int) -> Path:
    folder.mkdir()
    with closing(sqlite3.connect(folder / "webui.db")) as database:
        database.execute("PRAGMA journal_mode=WAL")
        for table in archive.COUNTED:
            database.execute(f'CREATE TABLE "{table}" (id INTEGER PRIMARY KEY, text TEXT)')
        database.executemany("INSERT INTO chat (text) VALUES (?)", [(f"chat {n}",) for n in range(chats)])
        database.execute("INSERT INTO user (text) VALUES ('admin')")
        database.commit()
    (folder / "uploads").mkdir()
    (folder / "uploads/note.txt").write_text(f"{chats} chats")
    return folder


def saved(folder: Path) -> bytes:
    out = io.BytesIO()
    archive.write(folder, "0.12.4", out)
    return out.getvalue()


def chats(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "webui.db")) as database:
        return int(database.execute("SELECT count(*) FROM chat").fetchone()[0])


def packed(entries: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(content), kind, "webui.db"
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def unpacked(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def test_what_is_saved_comes_back_and_what_came_later_is_gone(tmp_path: Path) -> None:
    source, target = filled(tmp_path / "source", 3), filled(tmp_path / "target", 7)
    (target / "uploads/later.txt").write_text("later")
    (target / archive.INCOMING).write_bytes(saved(source))
    manifest = archive.place(target)
    assert chats(target) == 3
    assert manifest["rows"] == {"user": 1, "auth": 0, "chat": 3, "file": 0}
    assert [p.name for p in (target / "uploads").iterdir()] == ["note.txt"]
    assert sorted(p.name for p in target.iterdir()) == ["uploads", "webui.db"], "nothing is left lying about"


def test_a_backup_holds_what_a_running_page_has_just_written(tmp_path: Path) -> None:
    source = filled(tmp_path / "source", 2)
    with closing(sqlite3.connect(source / "webui.db")) as writer:
        writer.execute("INSERT INTO chat (text) VALUES ('only in the log yet')")
        writer.commit()
        assert (source / "webui.db-wal").stat().st_size > 0
        manifest = json.loads(unpacked(saved(source))["manifest.json"])
    assert manifest["rows"]["chat"] == 3
    assert sorted(p.name for p in source.iterdir() if p.name.startswith(".")) == []


def test_an_empty_page_can_be_restored_into(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / archive.INCOMING).write_bytes(saved(filled(tmp_path / "source", 1)))
    archive.place(tmp_path / "new")
    assert chats(tmp_path / "new") == 1


def changed(content: bytes, **entries: bytes) -> bytes:
    return packed({**unpacked(content), **{name.replace("__", "."): data for name, data in entries.items()}})


def bad(content: bytes, tmp_path: Path) -> dict[str, bytes]:
    other = unpacked(saved(filled(tmp_path / "other", 9)))
    return {
        "cut off": content[: len(content) // 2],
        "no archive": b"hello",
        "empty": b"",
        "no database": packed({"manifest.json": unpacked(content)["manifest.json"]}),
        "another database": changed(content, webui__db=other["webui.db"]),
        "damaged database": changed(content, webui__db=b"SQLite format 3\0" + b"x" * 5000),
        "manifest of another": changed(content, manifest__json=other["manifest.json"]),
        "out of its folder": packed({**unpacked(content), "uploads/../../evil": b"x"}),
        "absolute path": packed({**unpacked(content), "/etc/evil": b"x"}),
        "something else": packed({**unpacked(content), "start.py": b"x"}),
        "a link": packed(unpacked(content), tarfile.SYMTYPE),
    }


CASES = (
    *("cut off", "no archive", "empty", "no database", "another database", "damaged database", "manifest of another"),
    *("out of its folder", "absolute path", "something else", "a link"),
)


@pytest.mark.parametrize("case", CASES)
def test_an_archive_that_is_not_whole_and_ours_changes_nothing(case: str, tmp_path: Path) -> None:
    target = filled(tmp_path / "target", 5)
    content = bad(saved(filled(tmp_path / "source", 3)), tmp_path)[case]
    (target / archive.INCOMING).write_bytes(content)
    with pytest.raises(archive.Unusable):
        archive.place(target)
    assert chats(target) == 5
    assert (target / "uploads/note.txt").read_text() == "5 chats"
    assert not (tmp_path / "evil").exists()
    assert not (target / archive.INCOMING).exists()


def test_the_program_says_why_it_refuses_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(archive, "DATA", tmp_path)
    monkeypatch.setattr("sys.argv", ["archive.py", "place"])
    (tmp_path / archive.INCOMING).write_bytes(b"x")
    assert archive.main() == 1
    assert "the backup is refused" in capsys.readouterr().err


def test_the_newest_backup_is_chosen(tmp_path: Path) -> None:
    assert webui_backup.newest(tmp_path) is None
    for day in ("20260102-000000", "20261123-101500", "20261123-093000"):
        (tmp_path / f"webui-{day}.tar.gz").touch()
    assert webui_backup.newest(tmp_path) == tmp_path / "webui-20261123-101500.tar.gz"


@pytest.mark.parametrize(("runs", "may"), [("0.12.4", True), ("0.13.0", True), ("0.12.3", False), ("0.9.9", False)])
def test_a_backup_of_a_newer_version_is_refused_before_the_page_stops(runs: str, may: bool, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar.gz"
    file.write_bytes(saved(filled(tmp_path / "source", 1)))
    if may:
        webui_backup.check_version(file, runs)
        return
    with pytest.raises(UserError, match=r"was written by Open WebUI 0\.12\.4"):
        webui_backup.check_version(file, runs)


@pytest.mark.parametrize("content", [b"", b"hello", packed({"readme": b"x"}), packed({"manifest.json": b"[]"})])
def test_a_file_that_is_no_backup_is_refused_before_the_page_stops(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar.gz"
    file.write_bytes(content)
    with pytest.raises(UserError, match="is no backup"):
        webui_backup.check_version(file, "0.12.4")


def test_a_person_is_told_what_a_backup_holds() -> None:
    manifest: dict[str, Any] = {"rows": {"user": 2, "chat": 7}, "uploads": 1, "made": "2026-11-23T10:00:00+00:00"}
    assert webui_backup.told(manifest).startswith("2 accounts, 7 chats, 1 files")
