"""What counts as a secret, and what a message may show."""

from __future__ import annotations

import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.catalog import catalog
from components.settings.secret_words import is_secret_field, looks_like_a_secret, shown
from tests.unit.settings_base import DIGEST, HOST_KEY

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "text",
    [
        "hf_" + "aB3" * 8,
        "sk-" + "aB3" * 8,
        "sk-proj-" + "aB3" * 8,
        "slm-" + "aB3" * 8,
        "ghp_" + "aB3" * 10,
        "github_pat_" + "aB3" * 10,
        "glpat-" + "aB3" * 8,
        "pul-" + "0a" * 20,
        "AKIA" + "A1B2" * 4,
        "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl",
        "-----BEGIN PRIVATE KEY-----\nMIIE",
        "Bearer " + "hf_" + "aB3" * 8,
    ],
)
def test_known_forms_of_credentials_are_recognised_and_never_shown(text: str) -> None:
    assert looks_like_a_secret(text)
    assert shown(text) == "(redacted)"


def test_random_keys_are_recognised_whatever_they_are_for() -> None:
    chance = random.Random(1)  # The same keys in each run: a test of a share must not depend on luck.
    keys = [base64.urlsafe_b64encode(chance.randbytes(32)).rstrip(b"=").decode() for _ in range(2000)]
    assert sum(looks_like_a_secret(key) for key in keys) >= 0.95 * len(keys)


@pytest.mark.parametrize(
    "text",
    [
        DIGEST,
        "ab" * 32,
        "ebb2015119c907b064c512bf053e945850b5875f",
        HOST_KEY,
        "SHA256:uNiVztksCsDhcc0u9e8BrrJgN3tVnwMyhw2vM9xq3Yg",
        "unsloth/Phi-4-mini-instruct-GGUF",
        "HuggingFaceTB/SmolLM2-360M-Instruct-GGUF",
        "bartowski/microsoft_Phi-4-mini-instruct-GGUF",
        "/home/User1/.config/k3s/Kubeconfig-Site-Berlin-2",
        "Standard_NC24ads_A100_v4",
        "azurekeyvault://slm-prod.vault.azure.net/keys/pulumi",
        "-----BEGIN CERTIFICATE-----\nMIIB",
        "no systemd on this host, so the watchdog cannot be installed",
    ],
)
def test_public_values_are_no_secrets(text: str) -> None:
    assert not looks_like_a_secret(text)


def test_nothing_in_the_catalogue_looks_like_a_secret() -> None:
    texts = [value for model in catalog().models.values() for value in _texts(model.model_dump())]
    texts += [value for row in catalog().images.values() for value in _texts(row.model_dump())]
    assert [text for text in texts if looks_like_a_secret(text)] == []


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for below in value.values() for text in _texts(below)]
    if isinstance(value, list | tuple):
        return [text for below in value for text in _texts(below)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("password", True), ("HF_TOKEN", True), ("api_key", True), ("apiKeys", True), ("client-secret", True),
        ("token_secret", False), ("host_key", False), ("key_file", False), ("tokens", False), ("keep_alive", False),
    ],
)  # fmt: skip
def test_fields_that_hold_secrets_are_known_by_their_name(name: str, secret: bool) -> None:
    assert is_secret_field(name) is secret


def test_a_value_is_shown_short_on_one_line_without_credentials() -> None:
    assert shown("ssh://me:pa55@host") == "'ssh://(redacted)@host'"
    assert shown("x" * 200).endswith("…'")
    assert len(shown("x" * 200)) < 70
    assert shown("open sesame", field="password") == "(redacted)"
    assert (shown(True), shown(7), shown(0.5)) == ("true", "7", "0.5")


@given(st.text(max_size=80))
def test_whatever_is_shown_is_one_printable_line(text: str) -> None:
    assert shown(text).isprintable()
