"""The secrets of Open WebUI: random, kept, shown on a terminal only, and replaced without opening the gateway."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from components.gateway import key_map
from components.secrets import _all_keys
from components.settings import load
from ops import webui
from ops.errors import UserError
from ops.machine import PROJECT, Machine

pytestmark = pytest.mark.unit

OPEN_WEBUI_ASKS_FOR = r"^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)(?=.*[^\w\s]).{8,}$"


class Vault:
    """Pulumi's encrypted configuration, on a machine of its own."""

    def __init__(self, folder: Path) -> None:
        self.values: dict[str, str] = {}
        self.machine = Machine("dev", folder)

    def secret(self, key: str) -> str | None:
        return self.values.get(key)

    def set_secret(self, key: str, value: str) -> None:
        self.values[key] = value


def test_every_password_is_one_open_webui_accepts() -> None:
    made = {webui.new_password() for _ in range(200)}
    assert len(made) == 200
    assert all(re.match(OPEN_WEBUI_ASKS_FOR, password) and len(password.encode()) <= 72 for password in made)


def test_secrets_are_made_once_and_the_key_has_a_date(tmp_path: Path) -> None:
    vault: Any = Vault(tmp_path)
    made = webui.ensure_secrets(vault)
    assert webui.ensure_secrets(vault) == made
    assert len(set(made.values())) == 3
    assert dated(vault) > "2026"
    assert list(vault.values) == ["webuiSecrets"], "people's keys are kept elsewhere and rotate by themselves"


def dated(vault: Vault) -> str:
    """What is written down of when the page's key was made."""
    [entry] = vault.machine.config()["config"]["slm:keys_made"]
    assert entry["id"] == "webui"
    return str(entry["made"])


def test_a_key_of_before_dates_were_kept_gets_none(tmp_path: Path) -> None:
    vault: Any = Vault(tmp_path)
    webui.ensure_secrets(vault)
    vault.machine.record({"keys_made": None})
    webui.ensure_secrets(vault)
    assert dated(vault) == "unknown"


def test_the_gateway_knows_the_pages_key_by_an_id_of_its_own(tmp_path: Path) -> None:
    vault: Any = Vault(tmp_path)
    made = webui.ensure_secrets(vault)
    keys = _all_keys(json.dumps({"key-1": "slm-" + "k" * 43}), json.dumps(made))
    assert list(keys) == ["key-1", "webui"]
    assert keys["webui"] == made[webui.KEY]
    assert key_map(keys).splitlines()[1].endswith(" webui")


def test_a_password_is_not_printed_into_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webui, "described", lambda _: None)
    with pytest.raises(UserError, match="on a terminal only"):
        webui.show_password("dev")


def test_a_stack_without_a_page_says_how_to_get_one() -> None:
    machine: Any = SimpleNamespace(stack="dev", project=PROJECT, config_path=PROJECT / "none.yaml")
    assert load("dev", PROJECT).webui is None
    with pytest.raises(UserError, match="has no web page"):
        webui.described(machine)


def test_rotation_replaces_the_key_alone_and_checks_that_the_old_one_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    vault, steps = Vault(tmp_path), []
    before = webui.ensure_secrets(vault)  # type: ignore[arg-type]
    vault.machine.record({"keys_made": [{"id": "webui", "made": "2026-01-02T03:04:05+00:00"}]})
    monkeypatch.setattr(webui, "Pulumi", lambda _machine: vault)
    monkeypatch.setattr(
        webui,
        "Machine",
        lambda stack: SimpleNamespace(
            stack=stack,
            lock=_Unlocked,
            project=PROJECT,
            config_file=PROJECT,
            config=vault.machine.config,
            record=vault.machine.record,
        ),
    )
    monkeypatch.setattr(webui, "described", lambda _: None)
    monkeypatch.setattr(webui, "load_overlay", lambda _: {})
    monkeypatch.setattr(webui.docker_client, "of", lambda _: None)
    monkeypatch.setattr(webui.recovery, "recover", lambda *_: None)
    monkeypatch.setattr(webui, "apply", lambda *_: steps.append("deployed"))
    monkeypatch.setattr(webui, "refused", lambda _settings, _machine, key: steps.append(key))
    webui.rotate_key("dev", Console(quiet=True))
    after = webui.load_secrets(vault)  # type: ignore[arg-type]
    assert steps == ["deployed", before[webui.KEY]]
    assert after[webui.KEY] != before[webui.KEY]
    assert dated(vault) > "2026-11"
    assert {k: v for k, v in after.items() if k != webui.KEY} == {k: v for k, v in before.items() if k != webui.KEY}


class _Unlocked:
    def __init__(self, *_: object) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...
