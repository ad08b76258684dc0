"""`make load`: what is put where, and that everything which is not as it was signed is refused by its name."""

from __future__ import annotations

import ast
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections import namedtuple
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ops.bundle.item import Item
from tests.unit.bundle_samples import ITEMS, LONG, NEW, NEWEST, OLD, STACK, Bench, entry
from tools.errors import ToolError
from tools.load import __main__ as command_line
from tools.load import judge, manifest, programs
from tools.load.archive import Reader, ending
from tools.load.site import CONTENT, Site, around
from tools.places import CHECKOUT

pytestmark = pytest.mark.unit


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def loaded(bench: Bench) -> Bench:
    """A site that has a bundle and trusts its key."""
    bench.load(bench.bundle(), bench.public)
    return bench


def notes(site: Site) -> list[dict[str, object]]:
    return [json.loads(line) for line in (site.state / "audit.jsonl").read_text().splitlines()]


# ---- what is put where ----


def test_a_bundle_becomes_a_release_whose_state_is_the_machines_own(loaded: Bench) -> None:
    current = loaded.site.current
    assert os.readlink(current) == f"releases/{NEW}"
    assert (current / "Makefile").read_bytes() == b"up:\n\ttrue\n"
    assert (current / "tools/run.sh").stat().st_mode & 0o111
    assert (current / LONG.removeprefix("program/")).read_bytes() == b"a long name\n"
    assert (current / CONTENT / "weights/abc/model.gguf").stat().st_size == 1280
    assert (current / ".slm").resolve() == loaded.site.state
    assert loaded.site.state.stat().st_mode & 0o777 == 0o700
    assert around(current.resolve()) is not None
    assert around(CHECKOUT) is None


def test_tools_are_put_where_the_installer_looks_and_those_that_are_there_are_left_alone(bench: Bench) -> None:
    there = bench.cache / "tools/pulumi/3.259.0-cad8b701/pulumi"
    bench.load(bench.bundle(OLD), bench.public)
    assert there.read_bytes() == b"a program"
    assert there.stat().st_mode & 0o111
    there.write_bytes(b"as it was")
    bench.load(bench.bundle(NEW))
    assert there.read_bytes() == b"as it was"
    assert list(bench.cache.rglob(".part-*")) == []


def test_the_next_bundle_takes_its_place_and_the_one_before_is_kept(loaded: Bench) -> None:
    (loaded.site.state / "mine").write_text("state")
    loaded.load(loaded.bundle(NEWEST))
    assert (loaded.site.current / ".slm/mine").read_text() == "state"
    assert {path.name for path in loaded.site.releases.iterdir()} == {NEW, NEWEST}
    third = "20261128T120000Z-0123456789ab"
    loaded.load(loaded.bundle(third))
    assert {path.name for path in loaded.site.releases.iterdir()} == {NEWEST, third}


def test_the_same_bundle_again_changes_nothing(loaded: Bench) -> None:
    before = loaded.site.current.resolve().stat().st_ino
    loaded.load(loaded.bundle())
    assert loaded.site.current.resolve().stat().st_ino == before


def test_it_also_runs_as_one_file_with_nothing_but_the_standard_library(bench: Bench) -> None:
    file, alone = bench.bundle(), bench.folder / "alone"
    alone.mkdir()
    with tarfile.open(file) as tar:
        tar.extract("load.pyz", alone, filter="data")
    command = [sys.executable, "-I", "-S", str(alone / "load.pyz"), str(file), "--key", bench.public]
    environment = {"PATH": os.environ["PATH"], "HOME": str(alone), "SLM_CACHE": str(bench.cache)}
    done = subprocess.run(command, env=environment, cwd=alone, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"make up STACK={STACK}" in done.stderr
    assert "not in the bundle: a key" in done.stderr
    assert (alone / "slm-stacks/current/Makefile").exists()


def test_it_uses_the_standard_library_only() -> None:
    files = [*(CHECKOUT / "tools/load").glob("*.py"), CHECKOUT / "tools/errors.py", CHECKOUT / "ops/audit.py"]
    own = {"ops", "tools"}
    for path in files:
        tree = ast.parse(path.read_text())
        names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names | own, path


def test_any_program_that_knows_tar_reads_the_archive(bench: Bench) -> None:
    with tarfile.open(bench.bundle()) as tar:
        members = tar.getmembers()
    assert [m.name for m in members] == ["manifest.json", "manifest.json.sig", *(item.name for item in ITEMS)]
    assert {(m.mtime, m.uid, m.uname, m.isreg()) for m in members} == {(0, 0, "", True)}
    assert {m.name for m in members if m.mode == 0o755} == {item.name for item in ITEMS if item.executable}


# ---- what is refused ----


def test_a_flipped_bit_in_a_file_is_named(loaded: Bench) -> None:
    file = loaded.bundle(NEWEST)
    content = bytearray(file.read_bytes())
    content[content.index(b"a wheel")] ^= 1
    file.write_bytes(content)
    with pytest.raises(ToolError, match=r"wheels/one-1\.0-py3-none-any\.whl is not what was signed") as told:
        loaded.load(file)
    assert "nothing was installed" in str(told.value)
    assert loaded.site.current.resolve().name == NEW
    assert {path.name for path in loaded.site.releases.iterdir()} == {NEW}
    assert notes(loaded.site)[-1]["outcome"] == "failed: ToolError"


def test_a_missing_file_is_named(bench: Bench) -> None:
    signed = bench.manifest().text()
    rest = b"".join(entry(item) for item in ITEMS if item.name != "images/index.json")
    with pytest.raises(ToolError, match=r"images/index\.json is missing: weights/abc/model\.gguf comes in its place"):
        bench.load(bench.archive(signed, rest), bench.public)
    with pytest.raises(ToolError, match=r"the archive ends before weights/abc/model\.gguf, which is missing"):
        bench.load(bench.archive(signed, b"".join(map(entry, ITEMS[:-1]))), bench.public)
    assert bench.nothing_happened()


@pytest.mark.parametrize("name", ["program/more.py", "/etc/passwd", "program/" + "long/" * 30 + "more.py"])
def test_a_file_that_is_not_listed_is_named(bench: Bench, name: str) -> None:
    for at in (0, 4, len(ITEMS)):
        more = [*ITEMS[:at], Item(name, b"more"), *ITEMS[at:]]
        with pytest.raises(ToolError, match=f"{name[:80]}.* is in the archive and not in its manifest"):
            bench.load(bench.archive(bench.manifest().text(), b"".join(map(entry, more))), bench.public)
    assert bench.nothing_happened()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE])
def test_a_link_in_place_of_a_file_is_refused(bench: Bench, kind: bytes) -> None:
    link = tarfile.TarInfo("sbom.cdx.json")
    link.type, link.linkname, link.mode = kind, "/etc/passwd", 0o644
    rest = entry(ITEMS[0]) + link.tobuf(tarfile.GNU_FORMAT) + b"".join(map(entry, ITEMS[2:]))
    with pytest.raises(ToolError, match=r"the header of sbom\.cdx\.json is not what was signed: it is a link"):
        bench.load(bench.archive(bench.manifest().text(), rest), bench.public)
    assert bench.nothing_happened()


@pytest.mark.parametrize(
    "name",
    [
        "../escape",
        "/etc/cron.d/escape",
        "program/../../escape",
        "program//escape",
        "program/.slm/state",
        "program/.bundle/manifest.json",
        "program/.venv/bin/python",
        "program\\escape",
        "program/line\nbreak",
        "elsewhere/file",
        "program",
        "manifest.json",
    ],
)
def test_no_signature_makes_a_path_good(bench: Bench, name: str) -> None:
    items = (*ITEMS[:2], Item(name, b"x"))
    with pytest.raises(ToolError, match="the manifest lists"):
        bench.load(bench.bundle(items=items), bench.public)
    assert bench.nothing_happened()


def test_names_that_are_listed_twice_or_as_file_and_folder_are_refused(bench: Bench) -> None:
    for items in ((ITEMS[0], ITEMS[0]), (Item("program/a", b""), Item("program/a/b", b""))):
        with pytest.raises(ToolError, match=r"twice|as a file and as a folder"):
            bench.load(bench.bundle(items=items), bench.public)


def test_a_manifest_that_was_changed_has_a_wrong_signature(bench: Bench) -> None:
    file = bench.bundle()
    file.write_bytes(file.read_bytes().replace(OLD.encode(), NEW.encode()).replace(b'"edge"', b'"evil"', 1))
    with pytest.raises(ToolError, match="the signature of the bundle's manifest is wrong"):
        bench.load(file, bench.public)
    assert bench.nothing_happened()


def test_a_key_that_nobody_trusts_is_named_by_its_fingerprint(loaded: Bench) -> None:
    foreign = loaded.bundle(NEWEST, key=loaded.other)
    with pytest.raises(ToolError, match=r"signed by an unknown key SHA256:\S+; trusted here: SHA256:\S+"):
        loaded.load(foreign)
    assert notes(loaded.site)[-1]["outcome"] == "failed: ToolError"
    # A person who names the new key decides so; from then on the old one is foreign.
    loaded.load(foreign, f"{loaded.other}.pub")
    with pytest.raises(ToolError, match="unknown key"):
        loaded.load(loaded.bundle("20261128T120000Z-0123456789ab"))


def test_without_a_key_nothing_is_loaded_on_a_new_machine(bench: Bench) -> None:
    with pytest.raises(ToolError, match="no key is trusted here yet"):
        bench.load(bench.bundle())
    with pytest.raises(ToolError, match="is no public key"):
        bench.load(bench.bundle(), str(bench.key))
    with pytest.raises(ToolError, match="there is no public key in /none"):
        bench.load(bench.bundle(), "/none")
    assert bench.nothing_happened()


def test_a_signature_made_for_something_else_does_not_hold(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.bundle.signing.NAMESPACE", "git")
    file = bench.bundle()
    with pytest.raises(ToolError, match="the signature of the bundle's manifest is wrong"):
        bench.load(file, bench.public)


def test_an_older_version_takes_a_reason_which_is_written_down(loaded: Bench) -> None:
    older = loaded.bundle(OLD)
    with pytest.raises(ToolError, match=f"{OLD} is older than the loaded {NEW}") as told:
        loaded.load(older)
    assert "ALLOW_OLDER" in str(told.value)
    assert loaded.site.current.resolve().name == NEW
    loaded.load(older, older="the new one answers wrongly")
    assert loaded.site.current.resolve().name == OLD
    assert notes(loaded.site)[-1]["did"] == f"make load {OLD} over {NEW}: the new one answers wrongly"
    assert notes(loaded.site)[-1]["outcome"] == "done"


def test_another_stacks_bundle_is_refused(loaded: Bench) -> None:
    with pytest.raises(ToolError, match="is of stack 'other', and 'edge' is loaded here"):
        loaded.load(loaded.bundle(NEWEST, stack="other"))


def test_another_bundle_under_the_same_version_is_refused(loaded: Bench) -> None:
    with pytest.raises(ToolError, match=f"another bundle of version {NEW} is loaded"):
        loaded.load(loaded.bundle(items=ITEMS[:-1]))
    assert (loaded.site.current / CONTENT / "weights/abc/model.gguf").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"platform": "plan9/mips"}, "the bundle is for plan9/mips, and this machine is"),
        ({"pythons": ("2.7",)}, "packages for Python 2.7; this is"),
        ({"glibc": "9.99"}, "its packages take glibc 9.99; this machine has"),
        ({"version": "yesterday"}, "names no stack and version"),
        ({"stack": "../edge"}, "names no stack and version"),
    ],
)
def test_what_does_not_suit_this_machine_is_refused(bench: Bench, changes: dict[str, object], words: str) -> None:
    with pytest.raises(ToolError, match=words):
        bench.load(bench.bundle(**{"version": NEW, **changes}), bench.public)  # type: ignore[arg-type]
    assert bench.nothing_happened()


def test_a_disk_that_is_too_small_is_told_before_anything_is_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(judge.shutil, "disk_usage", lambda _: usage(10**12, 0, 5 * 10**10))
    monkeypatch.setattr(command_line, "_unpack", lambda *_: pytest.fail("it was read"))
    with pytest.raises(ToolError, match=r"has 50\.0 GB free; the bundle takes 50\.0 GB, a twentieth"):
        bench.load(bench.bundle(), bench.public)
    assert bench.nothing_happened()


def test_an_archive_that_was_cut_off_is_refused_wherever_it_was(bench: Bench) -> None:
    file = bench.bundle()
    whole = file.read_bytes()
    for length in (0, 100, 700, len(whole) // 2, len(whole) - 10_000, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(ToolError):
            bench.load(file, bench.public)
    file.write_bytes(whole + b"\0")
    with pytest.raises(ToolError, match="something follows the end"):
        bench.load(file, bench.public)
    assert bench.nothing_happened()


def test_an_archive_of_something_else_is_no_bundle(bench: Bench) -> None:
    file = bench.folder / "other.tar"
    with tarfile.open(file, "w") as tar:
        tar.add(__file__, "manifest.json")
    with pytest.raises(ToolError, match="this is no bundle"):
        bench.load(file, bench.public)
    with pytest.raises(ToolError, match="cannot be read"):
        bench.load(bench.folder / "none.tar", bench.public)


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, bytes]:
    bench = Bench(tmp_path_factory.mktemp("signed"))
    return bench, bench.bundle().read_bytes()


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit_anywhere_is_refused_and_leaves_nothing(
    signed: tuple[Bench, bytes], data: st.DataObject
) -> None:
    bench, whole = signed
    at, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
    content = bytearray(whole)
    content[at] ^= 1 << bit
    file = bench.folder / "flipped.tar"
    file.write_bytes(content)
    with pytest.raises(ToolError):
        bench.load(file, bench.public)
    assert bench.nothing_happened()


def test_every_byte_behind_the_manifest_is_compared(bench: Bench) -> None:
    items = (Item("program/a", b"a"), Item("program/b", b"", executable=True), Item(LONG, b"c"))
    bundle = bench.manifest(items=items)
    rest = b"".join(map(entry, items))
    rest += ending(len(rest))

    def read(content: bytes) -> None:
        reader = Reader(io.BytesIO(content))
        for member in bundle.members:
            reader.member(member, io.BytesIO(), bundle.names)
        reader.end(bundle.names)

    read(rest)
    for at in range(len(rest)):
        with pytest.raises(ToolError):
            read(rest[:at] + bytes([rest[at] ^ 1]) + rest[at + 1 :])


# ---- loads that do not end ----


def test_a_load_that_is_interrupted_leaves_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(programs.shutil, "copytree", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bench.load(bench.bundle(), bench.public)
    assert not bench.site.folder.exists()
    assert [path for path in bench.cache.rglob("*") if path.is_file()] == []


def test_what_a_killed_load_left_is_removed_by_the_next(loaded: Bench) -> None:
    left = loaded.site.releases / ".part-killed"
    shutil.copytree(loaded.site.current.resolve(), left, symlinks=True)
    loaded.load(loaded.bundle(NEWEST))
    assert not left.exists()


def test_two_loads_at_once_do_not_meet(loaded: Bench) -> None:
    with loaded.site.changing(), pytest.raises(ToolError, match="another load into"):
        loaded.load(loaded.bundle(NEWEST))


def test_the_command_says_an_error_on_one_screen(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main([str(bench.bundle()), "--into", str(bench.site.folder)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: the bundle is signed by an unknown key")
    assert "fix:" in said
    assert "Traceback" not in said


def test_a_manifest_says_the_same_before_and_after(bench: Bench) -> None:
    assert manifest.read(bench.manifest().text()) == bench.manifest()
