"""No byte of a bundle can be changed, left out or added without being noticed."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ops.bundle.item import Item
from ops.bundle.signing import sign
from tests.unit.bundle_samples import LONG, Bench, entry
from tools.errors import ToolError
from tools.load import signature
from tools.load.archive import Reader, ending

pytestmark = pytest.mark.unit


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


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


@settings(max_examples=120, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


def test_every_bit_of_a_signature_counts(signed: tuple[Bench, bytes]) -> None:
    bench, _ = signed
    content, key = b"content", (signature.public_key(bench.public),)
    whole = sign(content, bench.key)
    assert signature.check(content, whole, key) == key[0]
    for at in range(len(whole)):
        for bit in (0, 4):
            with pytest.raises(ToolError):
                signature.check(content, whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :], key)


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
