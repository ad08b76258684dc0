"""The catalogue: rows are whole, pins lie over them, and nothing is pinned without saying where it was found."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from components.catalog import DIRECTORY, ImageRow, catalog, merge, read

pytestmark = pytest.mark.unit

ROW = {"purpose": "p", "repository": "r/i", "tag": "1.2.3", "build": "i", "build_version": "1.2.0", "user": 10001}
SHA = "ab" * 32


def copy(directory: Path, pins: str) -> Path:
    for name in ("models.toml", "images.toml"):
        shutil.copy(DIRECTORY / name, directory)
    (directory / "pins.toml").write_text(pins)
    return directory


def test_the_default_models_and_the_images_of_a_stack_are_known() -> None:
    assert {"qwen2.5-coder-0.5b-instruct", "phi4-mini"} <= set(catalog().models)
    assert set(catalog().images) == {"ollama", "haproxy", "fetch"}


def test_every_image_can_be_built_from_a_folder_of_this_project() -> None:
    for role, row in catalog().images.items():
        assert (DIRECTORY.parents[1] / "images" / row.build / "Dockerfile").is_file(), role


def test_the_catalogue_is_pinned_throughout() -> None:
    assert [m.unpinned_reasons() for m in catalog().models.values() if not m.pinned] == []
    assert [role for role, row in catalog().images.items() if row.published and not row.pinned] == []


def test_every_digest_says_where_it_was_read() -> None:
    assert all(row.source for row in catalog().images.values() if row.digest)
    with pytest.raises(ValidationError, match="a digest without its source"):
        ImageRow.model_validate({**ROW, "digest": SHA})


def test_a_version_below_the_minimum_cannot_enter_the_catalogue() -> None:
    minimum = {"minimum_version": "1.2.3", "minimum_reason": "CVE-1"}
    with pytest.raises(ValidationError, match=r"1\.2\.0 < 1\.2\.3 \(CVE-1\)"):
        ImageRow.model_validate({**ROW, **minimum})
    assert ImageRow.model_validate({**ROW, **minimum, "build_version": "1.10.0"}).too_old("1.2.3-slim") is None


@pytest.mark.parametrize(
    ("version", "old"),
    [("0.9", True), ("1.2.2", True), ("v1.2.2", True), ("1.2.3", False), ("lts", False), (None, False)],
)
def test_versions_are_compared_as_numbers(version: str | None, old: bool) -> None:
    row = ImageRow.model_validate({**ROW, "build_version": "2", "minimum_version": "1.2.3", "minimum_reason": "CVE-1"})
    assert bool(row.too_old(version)) is old


def test_a_pin_lies_over_the_row_of_the_same_name(tmp_path: Path) -> None:
    pins = (
        f'[images.haproxy]\ntag = "9.9.9"\ndigest = "{SHA}"\nsource = "registry"\n[models.phi4-mini]\nsize_bytes = 7\n'
    )
    read_with_pins = read(copy(tmp_path, pins))
    assert read_with_pins.images["haproxy"].pinned == f"haproxy:9.9.9@sha256:{SHA}"
    assert read_with_pins.models["phi4-mini"].size_bytes == 7
    assert read_with_pins.models["phi4-mini"].license == "MIT"


def test_a_pin_for_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"pins\.toml: images\.nginx pins what is not in the catalogue"):
        read(copy(tmp_path, f'[images.nginx]\ndigest = "{SHA}"\n'))


def test_the_dev_models_bytes_are_the_official_ones_in_both_sources() -> None:
    model = catalog().models["qwen2.5-coder-0.5b-instruct"]
    assert (model.size_bytes, model.sha256) == (
        491_400_064,
        "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    )
    assert [source.kind for source in model.sources] == ["huggingface", "package"]


def test_merging_replaces_lists_and_keeps_what_is_not_mentioned() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    assert merge(base, {"a": {"c": [3]}, "d": {"e": 1}}) == {"a": {"b": 1, "c": [3]}, "d": {"e": 1}}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 1}
