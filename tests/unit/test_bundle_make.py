"""`make bundle`: what goes in, what never does, and what is said of it."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.settings.bundled import with_sources_of
from ops.bundle import command, program, signing
from ops.bundle.description import without_secrets
from ops.bundle.item import Item
from ops.bundle.writer import loader, write
from ops.errors import UserError
from tests.unit.bundle_samples import Bench
from tests.unit.settings_base import load_changed

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
MODEL, FORM = "qwen2.5-coder-0.5b-instruct", "gguf-q4_k_m"


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
