"""`make bundle`: what goes in, what never does, and what a checkout makes of the bundle it came in."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker.errors
import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from components.model_sources import PathSource
from components.settings import Settings, load
from components.settings.bundled import with_sources_of
from components.settings.stack_file import DESCRIPTION
from ops import images
from ops.bundle import command, contents, loaded, program, sbom, signing, weights, wheels
from ops.bundle.description import without_secrets
from ops.bundle.item import Item
from ops.bundle.loaded import BundledImage
from ops.bundle.writer import loader, write
from ops.errors import UserError
from tests.unit.bundle_samples import Bench
from tests.unit.settings_base import BASE, load_changed
from tools.table import Platform

pytestmark = pytest.mark.unit

SALT = "v1:canarySalt:v1:canary"
ENCRYPTED = "v1:canaryEncrypted:canary"
DESCRIPTION_TEXT = f"""\
# What this stack is.
encryptionsalt: {SALT}
config:
  slm:targets: {{laptop: {{kind: docker}}}}
  slm:apiKeys:
    secure: {ENCRYPTED}
  # The engine.
  slm:engines:
    chat: {{kind: ollama, target: laptop, model: qwen2.5-coder-0.5b-instruct}}
  slm:gateway: {{target: laptop}} # stays
  slm:hubToken:
    secure: {ENCRYPTED}
"""
PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ" * 2 + "\n"
IMAGE = BundledImage(id="sha256:" + "c" * 64, tags=("slm.local/fetch:1",), config="c" * 64, layers=("1" * 64, "2" * 64))


def tree(folder: Path) -> Path:
    """A project that is no git repository."""
    for name, text in {
        "Pulumi.yaml": "name: slm\n",
        "Pulumi.dev.yaml": DESCRIPTION_TEXT,
        "Pulumi.prod.yaml": f"config: {{slm:apiKeys: {{secure: {ENCRYPTED}}}}}\n",
        "ops/run.sh": "#!/bin/sh\n",
        ".slm/dev/passphrase": "canaryPassphrase",
        ".slm/edge/ca/ca-key.pem": PRIVATE,
        ".venv/bin/python": "",
        ".gitignore": "/.slm/\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "ops/run.sh").chmod(0o755)
    return folder


def names(items: Iterable[Item]) -> list[str]:
    return [item.name for item in items]


# ---- what goes in, and what never does ----


def test_the_stacks_file_loses_what_is_encrypted_and_nothing_else(tmp_path: Path) -> None:
    text, taken_out = without_secrets(tree(tmp_path) / "Pulumi.dev.yaml")
    assert taken_out == ("slm:apiKeys", "slm:hubToken")
    secret = (SALT, ENCRYPTED, "slm:apiKeys:", "slm:hubToken:")
    lines = DESCRIPTION_TEXT.splitlines()
    assert text.splitlines() == [line for line in lines if not any(word in line for word in secret)]


def test_encrypted_values_that_share_a_line_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(f"config: {{slm:apiKeys: {{secure: '{ENCRYPTED}'}}, slm:version: 1}}\n")
    with pytest.raises(UserError, match="share a line with others: slm:apiKeys"):
        without_secrets(path)


def test_of_the_stacks_files_only_its_own_goes_in_and_nothing_of_the_machine(tmp_path: Path) -> None:
    items, taken_out = program.gather("dev", tree(tmp_path))
    assert names(items) == [
        "program/.gitignore",
        "program/Pulumi.dev.yaml",
        "program/Pulumi.yaml",
        "program/ops/run.sh",
    ]
    assert [item.executable for item in items] == [False, False, False, True]
    assert taken_out == ("slm:apiKeys", "slm:hubToken")
    assert not any(b"canary" in item.open().read() for item in items)


def test_of_a_git_checkout_what_is_committed_goes_in_as_it_lies_there(tmp_path: Path) -> None:
    folder = tree(tmp_path)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "Pulumi.yaml", "ops/run.sh"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *words], cwd=folder, check=True)
    (folder / "ops/run.sh").write_text("#!/bin/sh\ntrue\n")
    (folder / "notes.txt").write_text("canary: nobody committed this")
    items, _ = program.gather("dev", folder)
    # The stack's file goes in although nobody committed it: it is what the bundle is of.
    assert names(items) == ["program/Pulumi.dev.yaml", "program/Pulumi.yaml", "program/ops/run.sh"]
    assert items[2].open().read() == b"#!/bin/sh\ntrue\n"
    head, changed = program.commit(folder)
    assert (len(head), changed) == (40, 1)


def test_a_private_key_among_the_programs_files_is_refused(tmp_path: Path) -> None:
    (tree(tmp_path) / "ops/key").write_text(PRIVATE)
    with pytest.raises(UserError, match="ops/key is committed and holds a private key"):
        program.gather("dev", tmp_path)


def test_this_project_itself_can_be_bundled() -> None:
    items, taken_out = program.gather("edge")
    assert {"program/Makefile", "program/Pulumi.edge.yaml", "program/tools/load/__main__.py"} <= set(names(items))
    assert "program/Pulumi.prod.yaml" not in names(items)
    assert taken_out == ()


def test_what_the_other_end_must_be_given_is_named(tmp_path: Path) -> None:
    hub = {"kind": "huggingface", "repo": "a/b", "revision": "e" * 40, "file": "m.gguf", "token_secret": "hub-token"}
    change = {"models": {MODEL: {"weights": {FORM: {"sources": [hub]}}}}}
    settings = load_changed(change, tmp_path)
    without = command.supply("dev", {"dev": settings}, None, ("slm:apiKeys",), set())
    assert "the secret hub-token: make secret NAME=hub-token STACK=dev" in without
    assert "slm:apiKeys, encrypted here and left out" in without
    # With the weights in the bundle nobody asks the hub.
    pins = {settings.models[MODEL].weights[FORM].pin()}
    assert "hub-token" not in " ".join(command.supply("dev", {"dev": settings}, None, (), pins))
    assert with_sources_of(settings, pins).secret_names() == []


def test_versions_only_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "FOLDER", tmp_path)
    day = datetime(2026, 11, 27, 12, 0, 0, tzinfo=UTC)
    version = command._version("edge", day, "0123456789abcdef")
    assert version == "20261127T120000Z-0123456789ab"
    (tmp_path / "last-edge").write_text(version)
    with pytest.raises(UserError, match="this machine's clock says 20261127T120000Z"):
        command._version("edge", day, "fedcba9876543210")
    assert command._version("edge", day.replace(second=1), "") == "20261127T120001Z-nocommit"


def test_an_unsigned_bundle_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no key") as told:
        signing.sign(b"", tmp_path / "none")
    assert "make bundle-key" in str(told.value)


def test_the_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    told = io.StringIO()
    console = command.Console(file=told, width=200)
    for _ in range(2):
        signing.make_key(console, tmp_path / "keys/bundle-key")
    key = tmp_path / "keys/bundle-key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.parent.stat().st_mode & 0o777 == 0o700
    first, second = told.getvalue().split("fingerprint")[1:]
    assert first.split()[0] == second.split()[0]
    assert first.split()[0].startswith("SHA256:")


def test_a_file_that_changed_while_it_was_packed_is_noticed(tmp_path: Path) -> None:
    bench, item = Bench(tmp_path), Item("weights/abc/model.gguf", tmp_path / "model.gguf", sha256="0" * 64)
    (tmp_path / "model.gguf").write_bytes(b"other bytes")
    manifest, file = bench.manifest(items=(item,)), tmp_path / "bundle.tar"
    with pytest.raises(UserError, match=r"model\.gguf is not what it should be"):
        write(file, manifest, b"", (item,), lambda _: None)
    assert not list(tmp_path.glob("*bundle.tar*"))


def test_the_loader_is_the_same_file_every_time() -> None:
    assert loader() == loader()


# ---- packages ----


def test_requirements_of_one_python_are_those_whose_conditions_hold() -> None:
    locked = [
        "one==1.0 ; python_full_version < '3.12' --hash=sha256:aa --hash=sha256:bb",
        "two==2.0 ; sys_platform == 'win32' --hash=sha256:cc",
        "three==1!3.0 --hash=sha256:dd",
    ]
    linux = Platform(os="linux", arch="amd64")
    three = "three==1!3.0 --hash=sha256:dd"
    assert list(wheels._for("3.11", locked, linux)) == ["one==1.0 --hash=sha256:aa --hash=sha256:bb", three]
    assert list(wheels._for("3.13", locked, linux)) == [three]


def test_the_oldest_c_library_is_the_newest_that_a_wheel_asks_for() -> None:
    packages = [
        Item("wheels/a-1-py3-none-any.whl", b""),
        Item("wheels/b-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", b""),
        Item("wheels/c-1-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl", b""),
    ]
    assert wheels.glibc(packages[:1]) == "2.17"
    assert wheels.glibc(packages) == "2.24"


# ---- weights ----

MODEL, FORM = "qwen2.5-coder-0.5b-instruct", "gguf-q4_k_m"


def served(folder: Path, *sources: dict[str, Any], **changes: Any) -> Settings:
    weights_of = {"sources": list(sources), **changes}
    return load_changed({"models": {MODEL: {"weights": {FORM: weights_of}}}}, folder)


def test_weights_of_this_machine_are_taken_from_where_they_lie(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"weights")
    settings = served(tmp_path, {"kind": "path", "path": str(path)})
    wanted = weights.forms([("dev", settings), ("other", settings)])
    (item,) = weights.gather(wanted, tmp_path / "fetched", command.Console(quiet=True))
    file = settings.models[MODEL].weights[FORM].file
    # Not the digest of what lies there: writing compares it with the one that is pinned.
    assert item == Item(f"weights/{file.sha256}/{file.path}", path, sha256=str(file.sha256))


def test_weights_whose_digest_nobody_knows_are_refused(tmp_path: Path) -> None:
    settings = served(tmp_path, {"kind": "path", "path": "/m.gguf"}, files=[{"path": "m.gguf"}])
    with pytest.raises(UserError, match=r"the sha256 of m\.gguf is not known"):
        weights.forms([("dev", settings)])


# ---- bill of materials ----


def test_the_bill_of_materials_is_valid_and_names_every_part(tmp_path: Path) -> None:
    (form,) = weights.forms([("dev", served(tmp_path, {"kind": "path", "path": "/m.gguf"}))])
    text = sbom.bill(
        "dev",
        "20261127T120000Z-0123456789ab",
        datetime(2026, 11, 27, tzinfo=UTC),
        [Item("wheels/a_b-1.0-py3-none-any.whl", b"")],
        {"uv 0.13.9": [Item("tools/uv/0.13.9/bin/uv", b"", executable=True)]},
        {"fetch": IMAGE},
        {"fetch": [("libc6", "2.36-9")]},
        [form],
    )
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    parts = {part["bom-ref"]: part for part in json.loads(text)["components"]}
    assert parts["wheel/a_b-1.0-py3-none-any.whl"]["purl"].startswith("pkg:pypi/a-b@1.0")
    assert parts["image/fetch"]["components"][0]["purl"] == "pkg:deb/debian/libc6@2.36-9"
    assert parts["image/fetch"]["hashes"] == [{"alg": "SHA-256", "content": "c" * 64}]
    assert parts[f"weights/{form.pin}"]["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert parts["tool/uv"]["version"] == "0.13.9"


def test_packages_of_an_image_are_those_that_are_installed() -> None:
    status = "Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\nDescription: one\n two\n\n"
    status += "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n"
    assert contents.parsed(status) == [("libc6", "2.36-9")]


# ---- a checkout that came in a bundle ----


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release as `make load` leaves it, with an image and the weights of the stack's model."""
    folder = tmp_path / "site/releases/20261127T120000Z-0123456789ab"
    (folder / ".bundle/images").mkdir(parents=True)
    index = {"fetch": IMAGE.model_dump(mode="json")}
    (folder / ".bundle/images/index.json").write_text(json.dumps(index))
    for blob in ("c" * 64, "1" * 64, "2" * 64):
        (folder / ".bundle/images" / blob).write_bytes(blob[:3].encode())
    (folder / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": dict(BASE)}))
    pin = load("dev", folder).models[MODEL].weights[FORM].pin()
    (folder / ".bundle/weights" / pin).mkdir(parents=True)
    (tmp_path / "site/current").symlink_to(f"releases/{folder.name}")
    return folder


def test_its_stacks_take_weights_and_images_from_the_bundle(release: Path) -> None:
    settings = load("dev", release, {"slm:images": {"fetch": "sha256:" + "d" * 64}})
    assert settings.images["fetch"] == IMAGE.id
    before = settings.models["phi4-mini"]
    form = settings.models[MODEL].weights[FORM]
    (source,) = form.sources
    # Through the link, so that the next bundle does not make the same description another one.
    current = release.parent.parent / "current/.bundle/weights"
    assert source == PathSource(path=f"{current}/{form.pin()}/{form.file.path}")
    assert before == load_changed({}, release.parent).models["phi4-mini"]


def test_a_host_that_is_rolled_back_keeps_the_images_it_had(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DESCRIPTION, str(release / "Pulumi.dev.yaml"))
    old = "sha256:" + "d" * 64
    assert load("dev", release, {"slm:images": {"fetch": old}}).images["fetch"] == old


class Engine:
    """A Docker engine that has nothing, and takes what is loaded."""

    def __init__(self, gives: str = IMAGE.id) -> None:
        self.images = self
        self.gives, self.has, self.archives = gives, set[str](), list[bytes]()

    def get(self, image: str) -> str:
        if image not in self.has:
            raise docker.errors.ImageNotFound("no such image")
        return image

    def load(self, archive: Iterable[bytes]) -> None:
        self.archives.append(b"".join(archive))
        self.has.add(self.gives)


def test_an_engine_without_the_image_gets_it_from_the_bundle_once(release: Path) -> None:
    engine: Any = Engine()
    assert loaded.bring(engine, IMAGE.id, release)
    assert loaded.bring(engine, IMAGE.id, release)
    (archive,) = engine.archives
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        held = {name: tar.extractfile(name).read() for name in tar.getnames()}  # type: ignore[union-attr]
    (described,) = json.loads(held.pop("manifest.json"))
    assert described["RepoTags"] == ["slm.local/fetch:1"]
    assert [held[name] for name in (described["Config"], *described["Layers"])] == [b"ccc", b"111", b"222"]


def test_what_the_bundle_has_not_is_not_brought(release: Path, tmp_path: Path) -> None:
    engine: Any = Engine()
    assert not loaded.bring(engine, "sha256:" + "d" * 64, release)
    assert not loaded.bring(engine, None, release)
    assert not loaded.bring(engine, IMAGE.id, tmp_path)
    assert engine.archives == []


def test_an_engine_that_names_images_otherwise_is_told_what_to_change(release: Path) -> None:
    engine: Any = Engine(gives="sha256:" + "e" * 64)
    with pytest.raises(UserError, match="another id") as told:
        loaded.bring(engine, IMAGE.id, release)
    assert "containerd-snapshotter" in str(told.value)


def test_an_image_of_the_bundle_is_neither_pulled_nor_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images.loaded, "bring", lambda client, image: image == IMAGE.id)
    nothing: Any = None
    assert images.find(nothing, "fetch", nothing, IMAGE.id, nothing, nothing, {}) == IMAGE.id
