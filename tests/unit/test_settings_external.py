"""A stack with an engine that someone else runs: what it needs, what it has not, and the secrets it names."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from components.settings import SettingsError
from ops.errors import UserError
from ops.secrets import given as secret
from tests.unit.settings_base import load_changed

pytestmark = pytest.mark.unit

CLOUD = {
    "kind": "external",
    "target": "laptop",
    "url": "https://models.example.com/v1",
    "model": "Phi-4-mini-instruct",
    "key_secret": "cloud-key",
}


def test_it_has_no_workload_no_weights_and_no_image(tmp_path: Path) -> None:
    settings = load_changed({"engines": {"cloud": CLOUD}}, tmp_path)
    assert list(settings.engines) == ["chat", "cloud"]
    assert list(settings.hosted) == ["chat"]
    assert set(settings.roles()) == {"ollama", "fetch", "haproxy"}
    assert len(settings.volumes()) == 1
    assert settings.chat_models() == ["qwen2.5-coder-0.5b-instruct", "Phi-4-mini-instruct"]


def test_a_stack_may_have_nothing_but_external_engines(tmp_path: Path) -> None:
    settings = load_changed({"engines": {"chat": {**CLOUD}}}, tmp_path)
    assert settings.hosted == {}
    assert settings.roles() == ["haproxy"]
    assert settings.refusals("dev") == []


def test_its_name_may_not_be_served_twice(tmp_path: Path) -> None:
    twin = {**CLOUD, "model": "qwen2.5-coder-0.5b-instruct"}
    with pytest.raises(SettingsError, match="already served by engine 'chat'"):
        load_changed({"engines": {"cloud": twin}}, tmp_path)


def test_it_belongs_to_the_gateways_own_target(tmp_path: Path) -> None:
    change = {
        "targets": {"other": {"kind": "docker", "host": "unix:///other.sock"}},
        "engines": {"cloud": {**CLOUD, "target": "other"}},
    }
    with pytest.raises(SettingsError, match="the gateway on 'laptop' cannot reach engines on 'other'"):
        load_changed(change, tmp_path)


def test_a_key_written_into_the_file_is_refused_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        load_changed({"engines": {"cloud": {**CLOUD, "api_key": "sk-0123456789abcdef0123456789abcdef"}}}, tmp_path)
    assert "0123456789abcdef" not in str(refused.value)


def test_the_secrets_a_person_must_give_are_named_once(tmp_path: Path) -> None:
    assert load_changed({}, tmp_path).secret_names() == []
    tls = {"certificate": "site-certificate", "key": "site-key"}
    settings = load_changed({"engines": {"cloud": CLOUD}, "gateway": {"tls": tls}}, tmp_path)
    assert settings.secret_names() == ["cloud-key", "site-certificate", "site-key"]


class Vault:
    """Pulumi's encrypted configuration."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}
        self.machine = SimpleNamespace(config=lambda: {"config": {f"slm:{k}": {"secure": "x"} for k in self.held}})

    def ensure_stack(self) -> None:
        """Nothing to make here."""

    def set_secret(self, name: str, value: str) -> None:
        self.held[name] = value


def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> tuple[Vault, Any]:
    settings, vault = load_changed({"engines": {"cloud": CLOUD}}, tmp_path), Vault()
    machine = SimpleNamespace(project=tmp_path, config_file=tmp_path / "x", lock=lambda _: Console().capture())
    monkeypatch.setattr(secret, "Machine", lambda _: machine)
    monkeypatch.setattr(secret, "load", lambda *_: settings)
    monkeypatch.setattr(secret, "Pulumi", lambda _: vault)
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    return vault, settings


def test_a_secret_is_read_from_a_pipe_without_its_line_end_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    vault, settings = given(monkeypatch, tmp_path, "the-key\n")
    shown = io.StringIO()
    with pytest.raises(UserError, match="needs the secret cloud-key"):
        secret.require(vault, settings, "dev")  # type: ignore[arg-type]
    secret.give("dev", "cloud-key", Console(file=shown))
    assert vault.held == {"cloud-key": "the-key"}
    assert "the-key" not in shown.getvalue()
    secret.require(vault, settings, "dev")  # type: ignore[arg-type]


def test_a_secret_nobody_asked_for_and_an_empty_one_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    vault, _ = given(monkeypatch, tmp_path, "\n")
    with pytest.raises(UserError, match=r"no use for a secret 'cloud-kee'.*did you mean 'cloud-key'"):
        secret.give("dev", "cloud-kee", Console(quiet=True))
    with pytest.raises(UserError, match="is empty"):
        secret.give("dev", "cloud-key", Console(quiet=True))
    assert vault.held == {}
