"""A backup is whole or it is refused, whatever happened to its file; and who makes one is written down."""

from __future__ import annotations

import io
import json
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.catalog import catalog
from components.monitoring import node_exporter
from ops.audit import notes as audit
from ops.backup import file as backup_file
from ops.backup import told
from ops.backup.command import newest, numbers
from ops.backup.parts import NAMES, parts, version
from ops.errors import UserError
from ops.machine import Machine
from tests.fixtures.metrics.capture import reduced, samples
from tests.unit.monitoring_samples import described

pytestmark = pytest.mark.unit

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures/metrics/backup-1.prom"


def archive_of(*members: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return buffer.getvalue()


def member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A backup of two parts."""
    file = tmp_path / "backup-1.zip"
    with backup_file.writing(file, "dev", "2026-11-26T00:00:00+00:00") as writer:
        writer.add("loki", "3.7.8", [b"lines ", b"of logs" * 1000])
        writer.add("prometheus", "3.15.0", [archive_of(member("./", kind=tarfile.DIRTYPE), member("./wal/0", 9))])
    return file


def test_what_was_written_is_read_again_and_by_its_owner_only(made: Path) -> None:
    manifest = backup_file.read(made, NAMES)
    assert [(e.name, e.version) for e in manifest.parts] == [("loki", "3.7.8"), ("prometheus", "3.15.0")]
    assert manifest.stack == "dev"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    with backup_file.opened(made, "loki") as content:
        assert content.read() == b"lines " + b"of logs" * 1000
    with backup_file.opened(made, "prometheus") as content:
        assert backup_file.check_volume("prometheus", content) == 1


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_refused(made: Path, share: float) -> None:
    data = made.read_bytes()
    made.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(UserError, match="no whole backup"):
        backup_file.read(made, NAMES)


def test_any_changed_byte_of_a_part_is_noticed(made: Path) -> None:
    with zipfile.ZipFile(made) as archive:
        offset = archive.getinfo(backup_file.entry_name("loki")).header_offset
    data = bytearray(made.read_bytes())
    data[offset + 60] ^= 0xFF
    made.write_bytes(bytes(data))
    with pytest.raises(UserError, match="no whole backup"):
        backup_file.read(made, NAMES)


def rewritten(made: Path, change: dict[str, object], more: dict[str, bytes] | None = None) -> Path:
    """The backup with another manifest, and further entries."""
    with zipfile.ZipFile(made) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    content[backup_file.MANIFEST] = json.dumps(json.loads(content[backup_file.MANIFEST]) | change).encode()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in (content | (more or {})).items():
            archive.writestr(name, data)
    return made


@pytest.mark.parametrize(
    ("change", "more", "why"),
    [
        ({"format": 2}, {}, "its manifest is none"),
        ({"parts": []}, {}, "its manifest is none"),
        ({"surplus": 1}, {}, "its manifest is none"),
        ({}, {"loki2.data": b""}, "what its manifest says"),
        ({"parts": [{"name": "shadow", "version": "1", "bytes": 0, "sha256": ""}]}, {}, "what its manifest says"),
    ],
)
def test_a_manifest_that_is_not_the_files_is_refused(
    made: Path, change: dict[str, object], more: dict[str, bytes], why: str
) -> None:
    with pytest.raises(UserError, match=why):
        backup_file.read(rewritten(made, change, more), NAMES)


def test_a_part_that_no_stack_has_is_refused(tmp_path: Path) -> None:
    with backup_file.writing(tmp_path / "x.zip", "dev", "now") as writer:
        writer.add("shadow", "1", [b""])
    with pytest.raises(UserError, match="'shadow', which no stack has"):
        backup_file.read(tmp_path / "x.zip", NAMES)


@pytest.mark.parametrize(
    "bad",
    [
        member("../outside", 1),
        member("/etc/passwd", 1),
        member("./link", kind=tarfile.SYMTYPE),
        member("./link", kind=tarfile.LNKTYPE),
        member("./device", kind=tarfile.CHRTYPE),
    ],
)
def test_a_volume_gets_neither_links_nor_devices_nor_paths_that_leave_it(bad: tarfile.TarInfo) -> None:
    with pytest.raises(UserError, match="cannot be put back"):
        backup_file.check_volume("loki", io.BytesIO(archive_of(member("./good", 3), bad)))


def test_a_backup_that_fails_half_way_leaves_nothing_and_takes_nothing_away(made: Path) -> None:
    before = made.read_bytes()

    def pieces() -> Iterator[bytes]:
        yield b"new"
        raise RuntimeError("the engine went away")

    with pytest.raises(RuntimeError), backup_file.writing(made, "dev", "now") as writer:
        writer.add("loki", "1", pieces())
    assert made.read_bytes() == before
    assert [path.name for path in made.parent.iterdir()] == [made.name]


def test_a_file_that_cannot_be_written_is_told_in_words(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="cannot be written"),
        backup_file.writing(tmp_path / "no" / "such" / "folder.zip", "dev", "now"),
    ):
        pass


def test_the_newest_is_by_its_date_and_never_what_was_saved_before_a_restore(tmp_path: Path) -> None:
    assert newest(tmp_path) is None
    for name in ("backup-20260101-000000.zip", "backup-20260301-000000.zip", "before-restore-20270101-000000.zip"):
        (tmp_path / name).touch()
    found = newest(tmp_path)
    assert found
    assert found.name == "backup-20260301-000000.zip"


@pytest.mark.parametrize(("older", "newer"), [("3.9.1", "3.15.0"), ("0.28.1", "0.34.1"), ("1", "2"), ("2.9", "2.9.1")])
def test_versions_are_compared_by_their_numbers(older: str, newer: str) -> None:
    assert numbers(older) < numbers(newer)


def test_the_version_is_that_of_the_image_that_runs() -> None:
    row = catalog().images["alertmanager"]
    assert version(f"sha256:{'0' * 64}", "alertmanager") == row.build_version
    assert f"v{version(f'docker.io/x:{row.tag}@sha256:{0:064}', 'alertmanager')}" == row.tag
    assert row.tag != f"v{row.build_version}", "otherwise this test could not fail"


def test_a_stack_with_monitoring_has_its_parts_and_grafana_where_it_runs(tmp_path: Path) -> None:
    bare = parts(described(tmp_path, {"grafana": None}))
    assert [part.name for part in bare] == ["alertmanager", "loki", "prometheus"]
    assert [part.name for part in parts(described(tmp_path))] == ["grafana", "alertmanager", "loki", "prometheus"]
    assert bare[-1].name == "prometheus", "while it stands still nobody measures"


def test_the_figures_of_a_backup_are_those_of_the_fixture() -> None:
    text = told.figures(1795725249.0, 73400320)
    assert {s.name: s.value for s in samples(text)} == {told.LAST: 1795725249.0, told.SIZE: 73400320.0}
    assert reduced(text)[0] == FIXTURE.read_text()


def test_the_exporter_reads_the_figures_and_cannot_write_them() -> None:
    quiet, reading = (node_exporter.workload(f"sha256:{'0' * 64}", texts=texts) for texts in (False, True))
    assert not quiet.volumes
    [volume] = reading.volumes
    assert volume.read_only
    assert volume.keep
    assert f"--collector.textfile.directory={volume.path}" in reading.args
    assert told.FILE.endswith(".prom"), "it reads no other files"


def notes(machine: Machine) -> list[dict[str, object]]:
    return [json.loads(line) for line in (machine.project / ".slm" / audit.FILE).read_text().splitlines()]


def test_every_change_of_a_stack_is_noted_with_its_end(tmp_path: Path) -> None:
    machine = Machine("dev", tmp_path)
    with machine.lock("make backup STACK=dev"):
        pass
    with pytest.raises(UserError), machine.lock("make restore STACK=dev"):
        raise UserError("the secret is hunter2", fix="none")
    with pytest.raises(KeyboardInterrupt), machine.lock("make up STACK=dev"):
        raise KeyboardInterrupt
    lines = notes(machine)
    assert [line["outcome"] for line in lines] == [
        "begun",
        "done",
        "begun",
        "failed: UserError",
        "begun",
        "interrupted",
    ]
    assert {line["stack"] for line in lines} == {"dev"}
    assert all(line["who"] and line["time"] for line in lines)
    assert "hunter2" not in json.dumps(lines)
    assert stat.S_IMODE((tmp_path / ".slm" / audit.FILE).stat().st_mode) == 0o600


def test_who_found_the_stack_locked_did_nothing_and_is_not_noted(tmp_path: Path) -> None:
    machine = Machine("dev", tmp_path)
    with machine.lock("first"), pytest.raises(UserError), Machine("dev", tmp_path).lock("second"):
        pass
    assert {line["did"] for line in notes(machine)} == {"first"}
