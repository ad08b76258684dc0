"""API keys: random, numbered, the newest last, and rotated so that one always works."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from components.gateway import key_map
from components.monitoring.rules import facts
from components.settings import SettingsError, from_pulumi_config
from components.targets.spec import Docker
from ops.errors import UserError
from ops.machine import PROJECT, Machine
from ops.secrets import keys, rotate

pytestmark = pytest.mark.unit


class Vault:
    """Pulumi's encrypted configuration, on a machine of its own."""

    def __init__(self, folder: Path, held: dict[str, str] | None = None) -> None:
        self.text = json.dumps(held) if held else None
        self.machine = Machine("dev", folder)

    def secret(self, _key: str) -> str | None:
        return self.text

    def set_secret(self, _key: str, value: str) -> None:
        self.text = value


def test_a_key_is_long_random_and_recognisable() -> None:
    one, other = keys.new_key(), keys.new_key()
    assert one != other
    assert one.startswith("slm-")
    assert len(one) >= 32 + 4
    assert key_map({"a": one}), "the gateway takes it"


def test_the_first_key_is_made_once(tmp_path: Path) -> None:
    vault: Any = Vault(tmp_path)
    made = keys.ensure(vault)
    assert list(made) == ["key-1"]
    assert keys.ensure(vault) == made


@pytest.mark.parametrize(
    ("held", "ids"),
    [(["key-1"], ["key-1", "key-2"]), (["key-7"], ["key-7", "key-8"]), (["mine"], ["mine", "key-1"])],
)
def test_a_further_key_comes_last_under_a_number_of_its_own(held: list[str], ids: list[str]) -> None:
    both = keys.with_another({name: name for name in held})
    assert list(both) == ids
    assert keys.current(both) == both[ids[-1]]


def aged(machine: Machine) -> dict[str, float | None]:
    """Seconds since each key was made, as the deployment's program reads them."""
    raw = {f"slm:{name}": json.dumps(value) for name, value in config(machine).items()}
    settings = from_pulumi_config("dev", PROJECT, raw, ())
    now = datetime.now(UTC).timestamp()
    return {key.name: None if key.made is None else now - key.made for key in facts(settings, [], []).keys}


def config(machine: Machine) -> dict[str, Any]:
    return {name.removeprefix("slm:"): value for name, value in (machine.config().get("config") or {}).items()}


def test_control_43_a_key_that_is_made_has_a_date_and_no_other_gets_one(tmp_path: Path) -> None:
    vault: Any = Vault(tmp_path / "new")
    keys.ensure(vault)
    [(name, age)] = aged(vault.machine).items()
    assert name == "key-1"
    assert age is not None
    assert -1 <= age < 60
    before: Any = Vault(tmp_path / "old", {"key-1": "old", "ops-token": "by hand"})
    keys.ensure(before)
    assert aged(before.machine) == {"key-1": None, "ops-token": None}, "unknown, and said so"
    assert before.text == json.dumps({"key-1": "old", "ops-token": "by hand"})


def test_dates_stay_with_their_keys_and_go_with_them(tmp_path: Path) -> None:
    vault: Any = Vault(tmp_path, {"key-1": "old"})
    both = keys.with_another(keys.ensure(vault))
    keys.save(vault, both, new="key-2")
    first = config(vault.machine)["keys_made"]
    assert [entry["id"] for entry in first] == ["key-1", "key-2"]
    keys.save(vault, both)
    assert config(vault.machine)["keys_made"] == first, "saved again it is no younger"
    keys.note_page(vault.machine, new=True)
    keys.save(vault, {"key-2": both["key-2"]})
    assert [entry["id"] for entry in config(vault.machine)["keys_made"]] == ["key-2", "webui"]
    assert not [key for key in both.values() if key in vault.machine.config_file.read_text()]
    assert set(aged(vault.machine)) == {"key-2"}, "a page that the stack has not opens nothing"


def test_a_key_whose_command_was_killed_before_it_was_kept_leaves_no_date(tmp_path: Path) -> None:
    class Killed(Vault):
        def set_secret(self, _key: str, value: str) -> None:
            raise KeyboardInterrupt

    vault: Any = Killed(tmp_path, {"key-1": "old"})
    with pytest.raises(KeyboardInterrupt):
        keys.save(vault, keys.with_another(keys.load(vault)), new="key-2")
    assert set(aged(vault.machine)) == {"key-2"}
    keys.ensure(vault)
    assert aged(vault.machine) == {"key-1": None}


def test_the_age_of_the_current_key_is_shown_beside_it_and_not_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    vault = Vault(tmp_path, {"key-1": "old", "key-2": "the-key"})
    vault.machine.record({"keys_made": [{"id": "key-2", "made": "2026-01-02T03:04:05+00:00"}]})
    monkeypatch.setattr(rotate, "only_on_a_terminal", lambda *_: None)
    monkeypatch.setattr(rotate, "Machine", lambda _: vault.machine)
    monkeypatch.setattr(rotate, "Pulumi", lambda _: vault)
    rotate.show("dev")
    shown = capsys.readouterr()
    assert shown.out == "the-key\n"
    assert re.fullmatch(r"key-2, made on 2026-01-02, \d+ days ago\n", shown.err)
    assert "key-1, of unknown age" in keys.told(vault.machine, "key-1")


@pytest.mark.parametrize("made", ["yesterday", 5, None, ["2026-01-02"]])
def test_a_date_that_is_none_is_refused_in_words(made: Any) -> None:
    raw = {"slm:keys_made": json.dumps([{"id": "key-1", "made": made}])}
    with pytest.raises(SettingsError, match=r"keys_made.*not a time — write it as 2026"):
        from_pulumi_config("dev", PROJECT, raw, ())


def test_rotation_has_a_working_key_at_every_moment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    vault, steps, served = Vault(tmp_path, {"key-1": "old"}), [], {"old"}

    def deploy(*_: object) -> None:
        served.clear()
        served.update(json.loads(vault.text or "{}").values())
        steps.append(sorted(json.loads(vault.text or "{}")))

    monkeypatch.setattr(rotate, "Pulumi", lambda _machine: vault)
    monkeypatch.setattr(
        rotate, "Machine", lambda _stack: SimpleNamespace(lock=_unlocked, project=None, config_file=None)
    )
    here = SimpleNamespace(
        gateway=SimpleNamespace(endpoint="http://x", target="here"),
        targets={"here": Docker()},
        environment="dev",
        allow_replace=(),
    )
    monkeypatch.setattr(rotate, "load", lambda *_: here)
    monkeypatch.setattr(rotate, "load_overlay", lambda _: {})
    monkeypatch.setattr(rotate, "apply", deploy)
    monkeypatch.setattr(rotate.docker_client, "of", lambda _: None)
    monkeypatch.setattr(rotate.recovery, "recover", lambda *_: None)
    monkeypatch.setattr(rotate, "answers", lambda _settings, _machine, key: steps.append(key in served))
    monkeypatch.setattr(rotate, "refused", lambda _settings, _machine, key: steps.append(key not in served))
    rotate.rotate("dev", Console(quiet=True))
    assert steps == [["key-1", "key-2"], True, ["key-2"], True, True]
    assert list(aged(vault.machine)) == ["key-2"]


def test_a_key_is_not_printed_into_a_pipe() -> None:
    with pytest.raises(UserError, match="on a terminal only"):
        rotate.show("dev")


class _unlocked:
    def __init__(self, *_: object) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...
