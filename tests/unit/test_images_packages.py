"""Images that stand on others, and the packages that are installed outside the build."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import docker.errors
import pytest
from rich.console import Console

from components.catalog import ImageRow
from ops.errors import UserError
from ops.images import packages as images_packages
from ops.images.build import IMAGES, Builder
from ops.images.content import content
from ops.images.packages import install_command, prune
from ops.images.resolve import resolve
from ops.images_lock import names, requirements, suits

pytestmark = pytest.mark.unit

ROWS = {
    "below": ImageRow(purpose="a test", build="below", build_version="1", user=10001),
    "above": ImageRow(purpose="a test", build="above", build_version="1", parent="below", user=2000),
    "alone": ImageRow(purpose="a test", build="alone", build_version="1", user=10001),
    "elsewhere": ImageRow(purpose="a test", repository="maker/server", tag="v1", user=2000),
}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for folder in ("base", "below", "above", "alone"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "Dockerfile").write_text(f"# {folder}\n")
    return tmp_path


def contents(images: Path) -> dict[str, str]:
    return {role: content(row, ROWS, images) for role, row in ROWS.items() if row.build}


@pytest.mark.parametrize(
    ("changed", "roles"),
    [("below", {"below", "above"}), ("above", {"above"}), ("base", {"below", "above", "alone"}), ("alone", {"alone"})],
)
def test_a_changed_folder_means_a_new_build_of_all_that_stands_on_it(
    images: Path, changed: str, roles: set[str]
) -> None:
    before = contents(images)
    (images / changed / "Dockerfile").write_text("# another\n")
    after = contents(images)
    assert {role for role in before if before[role] != after[role]} == roles


def test_notes_and_what_tools_leave_behind_change_nothing(images: Path) -> None:
    before = contents(images)
    for left in ("README.md", ".mypy_cache/3.11/cache.db", "__pycache__/a.pyc"):
        (images / "below" / left).parent.mkdir(parents=True, exist_ok=True)
        (images / "below" / left).write_text("x")
    assert contents(images) == before


class Engine:
    """Builds by remembering; has what it built."""

    def __init__(self) -> None:
        self.built: list[tuple[str, str]] = []
        self.images = self.api = self

    def get(self, name: str) -> Any:
        if name not in [tag for tag, _ in self.built]:
            raise docker.errors.ImageNotFound(name)
        return type("Image", (), {"id": f"sha256:{name}", "labels": {}})()

    def build(self, tag: str, buildargs: dict[str, str], **_: Any) -> Any:
        self.built.append((tag, buildargs["BASE"]))
        return iter([])


@pytest.fixture
def builder(images: Path, monkeypatch: pytest.MonkeyPatch) -> Builder:
    client: Any = Engine()
    made = Builder(client, Console(quiet=True), images=images, rows=ROWS)
    monkeypatch.setattr(made, "_base", lambda _role: "debian")
    return made


def test_a_missing_parent_is_built_first_and_the_child_stands_on_it(builder: Builder) -> None:
    builder.build("above", ROWS["above"])
    below, above = (builder.tag(role, ROWS[role]) for role in ("below", "above"))
    assert builder.client.built == [(below, "debian"), (above, below)]  # type: ignore[attr-defined]


def test_a_parent_that_is_there_is_not_built_again(builder: Builder) -> None:
    for _ in range(2):
        builder.build("above", ROWS["above"])
    assert [tag for tag, _ in builder.client.built].count(builder.tag("below", ROWS["below"])) == 1  # type: ignore[attr-defined]


def test_an_image_that_only_a_registry_offers_is_never_built(builder: Builder) -> None:
    with pytest.raises(UserError, match="cannot be built here") as refused:
        resolve(builder.client, "elsewhere", ROWS["elsewhere"], None, builder, Console(quiet=True))
    assert "docker load" in str(refused.value)


def test_packages_for_another_processor_are_refused_before_the_build(
    builder: Builder, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (images / "below/packages.txt").write_text("one==1\n")
    monkeypatch.setattr(images_packages, "uv_program", lambda: Path("uv"))
    builder.client.info = lambda: {"Architecture": "aarch64"}  # type: ignore[method-assign,assignment]
    with pytest.raises(UserError, match="x86_64 only"):
        builder.build("below", ROWS["below"])


def test_packages_are_installed_by_digest_and_never_built_from_source(tmp_path: Path) -> None:
    command = install_command(tmp_path, Path("uv"))
    assert "--require-hashes" in command
    assert command[command.index("--only-binary") + 1] == ":all:"


def test_what_is_not_needed_is_removed_and_a_stale_line_is_an_error(tmp_path: Path) -> None:
    for name in ("one/lib.so", "one/gpu.so", "one/tests/a.py", "two/tests/b.py"):
        (tmp_path / "packages" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "packages" / name).write_text("12345")
    listed = tmp_path / "packages-pruned.txt"
    listed.write_text("# why\none/gpu.so\n*/tests/*\n")
    assert prune(tmp_path) == 15
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.*o") if p.is_file()] == ["packages/one/lib.so"]
    assert not (tmp_path / "packages/two").exists()
    listed.write_text("one/moved.so\n")
    with pytest.raises(ValueError, match=r"one/moved\.so"):
        prune(tmp_path)


@pytest.mark.parametrize(
    ("wheel", "fits"),
    [
        ("a-1-py3-none-any.whl", True),
        ("a-1-py2.py3-none-any.whl", True),
        ("a-1-py37-none-any.whl", True),
        ("a-1-cp311-cp311-manylinux_2_28_x86_64.whl", True),
        ("a-1-cp38-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", True),
        ("a-1-cp312-abi3-manylinux_2_28_x86_64.whl", False),
        ("a-1-cp312-cp312-manylinux_2_28_x86_64.whl", False),
        ("a-1-cp311-cp311-musllinux_1_2_x86_64.whl", False),
        ("a-1-cp311-cp311-manylinux_2_28_aarch64.whl", False),
        ("a-1-cp311-cp311-win_amd64.whl", False),
    ],
)
def test_only_wheels_the_image_can_run_are_listed(wheel: str, fits: bool) -> None:
    assert suits(wheel) is fits


def test_a_list_has_every_version_with_its_digests_and_nothing_of_the_parent(tmp_path: Path) -> None:
    lock = tomllib.loads(
        '[[packages]]\nname="b"\nversion="2"\nwheels=[{url="x/b-2-py3-none-any.whl", hashes={sha256="bb"}}]\n'
        '[[packages]]\nname="a"\nversion="1"\nwheels=[{url="x/a-1-py3-none-any.whl", hashes={sha256="aa"}}]\n'
    )
    assert requirements(lock, {}) == ["a==1 \\\n    --hash=sha256:aa", "b==2 \\\n    --hash=sha256:bb"]
    (tmp_path / "packages.txt").write_text("# by hand\n" + "\n".join(requirements(lock, {"b": "2"})))
    assert names(tmp_path / "packages.txt") == {"a": "1"}


@pytest.mark.parametrize("listed", sorted(IMAGES.glob("*/packages.txt")), ids=lambda path: path.parent.name)
def test_every_list_here_names_a_version_and_digests_for_each_package(listed: Path) -> None:
    text = listed.read_text()
    pinned = [entry for entry in text.replace("\\\n", "").splitlines() if entry and entry[0] != "#"]
    assert pinned
    assert all("==" in entry and "--hash=sha256:" in entry for entry in pinned)
    assert "://" not in text
