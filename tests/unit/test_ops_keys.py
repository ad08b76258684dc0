"""API keys: random, numbered, the newest last, and rotated so that one always works."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from components.gateway import key_map
from components.targets.spec import Docker
from ops import keys, rotate
from ops.errors import UserError

pytestmark = pytest.mark.unit


class Vault:
    """Pulumi's encrypted configuration."""

    def __init__(self, held: dict[str, str] | None = None) -> None:
        self.text = json.dumps(held) if held else None

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


def test_the_first_key_is_made_once() -> None:
    vault: Any = Vault()
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


def test_rotation_has_a_working_key_at_every_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    vault, steps, served = Vault({"key-1": "old"}), [], {"old"}

    def deploy(*_: object) -> None:
        served.clear()
        served.update(json.loads(vault.text or "{}").values())
        steps.append(sorted(json.loads(vault.text or "{}")))

    monkeypatch.setattr(rotate, "Pulumi", lambda _machine: vault)
    monkeypatch.setattr(
        rotate, "Machine", lambda _stack: SimpleNamespace(lock=_unlocked, project=None, config_file=None)
    )
    here = SimpleNamespace(gateway=SimpleNamespace(endpoint="http://x", target="here"), targets={"here": Docker()})
    monkeypatch.setattr(rotate, "load", lambda *_: here)
    monkeypatch.setattr(rotate, "load_overlay", lambda _: {})
    monkeypatch.setattr(rotate, "apply", deploy)
    monkeypatch.setattr(rotate.docker_client, "of", lambda _: None)
    monkeypatch.setattr(rotate.recovery, "recover", lambda *_: None)
    monkeypatch.setattr(rotate, "answers", lambda _settings, _machine, key: steps.append(key in served))
    monkeypatch.setattr(rotate, "refused", lambda _settings, _machine, key: steps.append(key not in served))
    rotate.rotate("dev", Console(quiet=True))
    assert steps == [["key-1", "key-2"], True, ["key-2"], True, True]


def test_a_key_is_not_printed_into_a_pipe() -> None:
    with pytest.raises(UserError, match="on a terminal only"):
        rotate.show("dev")


class _unlocked:
    def __init__(self, *_: object) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...
