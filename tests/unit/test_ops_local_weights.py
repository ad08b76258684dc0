"""The tar stream in which weights of this machine reach a volume."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from components.model_sources import PathSource
from components.models import Model
from ops import local_weights
from ops.errors import UserError
from tests.unit.models_samples import model

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 3000])
def test_the_stream_is_a_readable_archive_of_folders_and_file(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_weights, "BLOCK", 700)
    path = tmp_path / "x.gguf"
    path.write_bytes(bytes(n % 251 for n in range(size)))
    blocks = list(local_weights._archive([(path, "fetched/incoming/x.gguf")], (10001, 10002)))
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


FOLDER = ("config.json", "onnx/model.onnx", "onnx/model.onnx.data")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    top = tmp_path / "tiny"
    for name in (*FOLDER, "pytorch_model.bin", "modeling.py", "model.safetensors"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(name.encode())
    return top


def onnx(path: Path, files: tuple[str, ...] = (), **more: object) -> Model:
    weights = {
        "format": "onnx",
        "precision": "int4",
        "device": "cpu",
        "size_bytes": 1000,
        "files": [{"path": name} for name in files],
        "sources": [{"kind": "path", "path": str(path)}, *more.get("sources", [])],  # type: ignore[misc]
    }
    return model(weights={"onnx": weights})


def chosen(a_model: Model) -> list[tuple[Path, str]]:
    (weights,) = a_model.weights.values()
    source = weights.sources[0]
    assert isinstance(source, PathSource)
    return local_weights._files(a_model, weights, source)


def test_of_a_folder_only_files_of_the_format_that_hold_data_are_copied(folder: Path) -> None:
    assert chosen(onnx(folder)) == [(folder / name, f"fetched/incoming/{name}") for name in FOLDER]


def test_of_a_pinned_folder_the_named_files_are_copied(folder: Path) -> None:
    assert [name for _, name in chosen(onnx(folder, FOLDER[:2]))] == [f"fetched/incoming/{name}" for name in FOLDER[:2]]


def test_a_folder_of_links_as_a_hubs_cache_has_it_is_copied(folder: Path, tmp_path: Path) -> None:
    links = tmp_path / "snapshot"
    links.mkdir()
    (links / "model.onnx").symlink_to(folder / "onnx/model.onnx")
    ((source, name),) = chosen(onnx(links))
    assert (source.read_bytes(), name) == (b"onnx/model.onnx", "fetched/incoming/model.onnx")


def test_a_missing_file_or_folder_is_named_unless_another_source_may_serve(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"are not at .*/tiny/genai_config\.json"):
        chosen(onnx(folder, (*FOLDER, "genai_config.json")))
    with pytest.raises(UserError, match=r"are not at .*/nowhere\n"):
        chosen(onnx(tmp_path / "nowhere"))
    hub = {"kind": "huggingface", "repo": "maker/tiny", "revision": "unpinned"}
    assert chosen(onnx(tmp_path / "nowhere", sources=[hub])) == []


def test_a_folder_arrives_in_one_archive_with_all_its_parents(folder: Path) -> None:
    blocks = list(local_weights._archive(chosen(onnx(folder)), (10001, 10002)))
    with tarfile.open(fileobj=io.BytesIO(b"".join(blocks))) as tar:
        members = tar.getmembers()
        assert [m.name for m in members if m.isdir()] == ["fetched", "fetched/incoming", "fetched/incoming/onnx"]
        assert {m.name.removeprefix("fetched/incoming/") for m in members if m.isfile()} == set(FOLDER)
        content = tar.extractfile("fetched/incoming/onnx/model.onnx.data")
        assert content is not None
        assert content.read() == b"onnx/model.onnx.data"
