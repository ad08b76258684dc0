"""The tar stream in which weights of this machine reach a volume."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from ops import local_weights

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 3000])
def test_the_stream_is_a_readable_archive_of_folders_and_file(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_weights, "BLOCK", 700)
    path = tmp_path / "x.gguf"
    path.write_bytes(bytes(n % 251 for n in range(size)))
    blocks = list(local_weights._archive(path, "fetched/incoming/x.gguf", (10001, 10002)))
    assert all(len(block) <= 2048 for block in blocks), "weights are larger than memory should hold"
    with tarfile.open(fileobj=io.BytesIO(b"".join(blocks))) as tar:
        folder, below, file = tar.getmembers()
        assert (folder.name, below.name, file.name) == ("fetched", "fetched/incoming", "fetched/incoming/x.gguf")
        assert folder.isdir()
        assert below.isdir()
        assert {(m.uid, m.gid) for m in (folder, below, file)} == {(10001, 10002)}
        assert (folder.mode, file.mode) == (0o750, 0o600)
        content = tar.extractfile(file)
        assert content is not None
        assert content.read() == path.read_bytes()
