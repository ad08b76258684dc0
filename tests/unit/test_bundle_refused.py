"""`make load` refuses, by name, whatever is not as it was signed or not for here."""

from __future__ import annotations

import tarfile
from collections import namedtuple
from pathlib import Path

import pytest

from ops.bundle.item import Item
from tests.unit.bundle_samples import ITEMS, NEW, NEWEST, OLD, Bench, entry, notes
from tools.errors import ToolError
from tools.load import command as command_line
from tools.load import judge
from tools.load.site import CONTENT

pytestmark = pytest.mark.unit


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def loaded(tmp_path: Path) -> Bench:
    return Bench(tmp_path).loaded()


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
