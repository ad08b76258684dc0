"""The secrets of Open WebUI: random, kept, shown on a terminal only, and replaced without opening the gateway."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from components.gateway import key_map
from components.secrets import _all_keys
from components.settings import load
from ops import webui
from ops.errors import UserError
from ops.machine import PROJECT

pytestmark = pytest.mark.unit

OPEN_WEBUI_ASKS_FOR = r"^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)(?=.*[^\w\s]).{8,}$"


class Vault:
    """Pulumi's encrypted configuration."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def secret(self, key: str) -> str | None:
        return self.values.get(key)

    def set_secret(self, key: str, value: str) -> None:
        self.values[key] = value


def test_every_password_is_one_open_webui_accepts() -> None:
    made = {webui.new_password() for _ in range(200)}
    assert len(made) == 200
    assert all(re.match(OPEN_WEBUI_ASKS_FOR, password) and len(password.encode()) <= 72 for password in made)


def test_secrets_are_made_once() -> None:
    vault: Any = Vault()
    made = webui.ensure_secrets(vault)
    assert webui.ensure_secrets(vault) == made
    assert len(set(made.values())) == 3
    assert list(vault.values) == ["webuiSecrets"], "people's keys are kept elsewhere and rotate by themselves"


def test_the_gateway_knows_the_pages_key_by_an_id_of_its_own() -> None:
    vault: Any = Vault()
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
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vault, steps = Vault(), []
    before = webui.ensure_secrets(vault)  # type: ignore[arg-type]
    monkeypatch.setattr(webui, "Pulumi", lambda _machine: vault)
    monkeypatch.setattr(
        webui,
        "Machine",
        lambda stack: SimpleNamespace(stack=stack, lock=_Unlocked, project=PROJECT, config_file=PROJECT),
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
    assert {k: v for k, v in after.items() if k != webui.KEY} == {k: v for k, v in before.items() if k != webui.KEY}


class _Unlocked:
    def __init__(self, *_: object) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...
