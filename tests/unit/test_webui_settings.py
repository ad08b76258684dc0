"""Open WebUI in a description: what may be said, what is refused and why, and what every page is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.settings import SettingsError
from components.webui import WebUi
from components.webui.environment import environment
from tests.unit.settings_base import load_changed

pytestmark = pytest.mark.unit

TLS = {"certificate": "page-cert", "key": "page-key"}
PUBLIC = {"bind": "192.0.2.7", "tls": TLS, "url": "https://chat.example.org"}
MODEL = "qwen2.5-coder-0.5b-instruct"


def page(**fields: Any) -> WebUi:
    return WebUi.model_validate({"target": "laptop", **fields})


def told(**fields: Any) -> dict[str, str]:
    return environment(page(**fields), "http://gateway:8080/v1", MODEL)


def refused(change: dict[str, Any], directory: Path) -> str:
    with pytest.raises(SettingsError) as error:
        load_changed(change, directory)
    return str(error.value)


def test_a_target_is_all_it_needs_and_then_only_this_machine_reaches_it(tmp_path: Path) -> None:
    settings = load_changed({"webui": {"target": "laptop"}}, tmp_path)
    assert settings.webui is not None
    assert (settings.webui.endpoint, settings.webui.sign_up) == ("http://127.0.0.1:3000", False)
    assert "webui" in settings.roles()
    assert settings.chat_models() == [MODEL]


def test_without_it_nothing_of_it_is_needed(tmp_path: Path) -> None:
    settings = load_changed({}, tmp_path)
    assert settings.webui is None
    assert "webui" not in settings.roles()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"bind": "0.0.0.0"}, "TLS is required"),
        ({"bind": "192.0.2.7", "url": "https://chat.example.org"}, "TLS is required"),
        ({**PUBLIC, "url": None}, "set url"),
        ({**PUBLIC, "url": "http://chat.example.org"}, "is not encrypted and tls is"),
        ({**PUBLIC, "url": "https://chat.example.org/path"}, "not an address of a page"),
        ({"bind": "localhost"}, "not an IP address"),
        ({"admin_email": "Admin"}, "not an e-mail address"),
        ({"memory_mib": 256}, "memory_mib"),
        ({"port": 0}, "not a port"),
        ({"password": "x"}, "looks like a secret"),
        ({"tls": {"certificate": "page-cert"}}, "'key' is missing"),
    ],
)
def test_what_would_not_be_sound_is_refused_with_the_reason(fields: dict[str, Any], why: str, tmp_path: Path) -> None:
    assert why in refused({"webui": {"target": "laptop", **fields}}, tmp_path)


def test_bad_config_62_sign_up_on_a_page_that_other_machines_reach_is_refused(tmp_path: Path) -> None:
    assert "refused" in refused({"webui": {"target": "laptop", **PUBLIC, "sign_up": True}}, tmp_path)
    assert load_changed({"webui": {"target": "laptop", "sign_up": True}}, tmp_path).webui, "on loopback it may be"
    assert load_changed({"webui": {"target": "laptop", **PUBLIC}}, tmp_path).webui, "without it, it may be public"


def test_bad_config_63_a_page_that_reaches_no_model_is_refused(tmp_path: Path) -> None:
    elsewhere = {"targets": {"laptop": {"kind": "docker"}, "edge": {"kind": "docker", "host": "unix:///run/x.sock"}}}
    assert "no backend" in refused({**elsewhere, "webui": {"target": "edge"}}, tmp_path)
    cannot_talk = {"models": {MODEL: {"capabilities": []}}, "webui": {"target": "laptop"}}
    assert "no backend" in refused(cannot_talk, tmp_path)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"webui": {"target": "labtop"}}, "did you mean 'laptop'?"),
        ({"webui": {"target": "laptop", "model": "phi4-mini"}}, "unknown served model 'phi4-mini'"),
        ({"webui": {"target": "laptop", "port": 8080}}, "the gateway's port already"),
        (
            {
                "webui": {"target": "laptop"},
                "engines": {"webui": {"kind": "ollama", "target": "laptop", "model": "phi4-mini"}},
            },
            "called so already",
        ),
    ],
)
def test_references_that_lead_nowhere_are_refused(change: dict[str, Any], why: str, tmp_path: Path) -> None:
    assert why in refused(change, tmp_path)


CONTROL_51 = {
    "WEBUI_AUTH": "True",
    "ENABLE_SIGNUP": "False",
    "ENABLE_INITIAL_ADMIN_SIGNUP": "False",
    "ENABLE_PASSWORD_VALIDATION": "True",
    "DEFAULT_USER_ROLE": "pending",
    "WEBUI_SESSION_COOKIE_SECURE": "True",
    "WEBUI_SESSION_COOKIE_SAME_SITE": "strict",
    "CORS_ALLOW_ORIGIN": "http://127.0.0.1:3000;http://localhost:3000",
    "JWT_EXPIRES_IN": "4h",
    "XFRAME_OPTIONS": "DENY",
    "XCONTENT_TYPE": "nosniff",
    "ENABLE_API_KEYS": "False",
    "ENABLE_DIRECT_CONNECTIONS": "False",
    "ENABLE_CODE_EXECUTION": "False",
    "ENABLE_CODE_INTERPRETER": "False",
    "ENABLE_PLUGINS": "False",
    "ENABLE_PIP_INSTALL_FRONTMATTER_REQUIREMENTS": "False",
    "ENABLE_OPENAI_API_PASSTHROUGH": "False",
    "ENABLE_COMMUNITY_SHARING": "False",
    "ENABLE_WEB_SEARCH": "False",
    "ENABLE_OLLAMA_API": "False",
    "BYPASS_MODEL_ACCESS_CONTROL": "False",
    "SAFE_MODE": "True",
    "AUDIT_LOG_LEVEL": "METADATA",
    "ENABLE_AUDIT_STDOUT": "True",
    "FORWARDED_ALLOW_IPS": "",
    "ENABLE_PERSISTENT_CONFIG": "False",
    "OFFLINE_MODE": "True",
    "ENABLE_VERSION_UPDATE_CHECK": "False",
    "ENABLE_OTEL": "False",
    "ENABLE_TITLE_GENERATION": "False",
    "ENABLE_TAGS_GENERATION": "False",
    "ENABLE_FOLLOW_UP_GENERATION": "False",
    "ENV": "prod",
}


@pytest.mark.parametrize(("name", "value"), CONTROL_51.items())
def test_control_51_every_page_is_told(name: str, value: str) -> None:
    assert told()[name] == value


def test_control_51_a_page_with_tls_is_asked_for_by_tls_only() -> None:
    assert told(**PUBLIC)["HSTS"].startswith("max-age=")
    assert told(**PUBLIC)["CORS_ALLOW_ORIGIN"] == "https://chat.example.org"
    assert "HSTS" not in told()


def test_its_pages_may_load_nothing_from_elsewhere() -> None:
    policy = dict(part.strip().split(" ", 1) for part in told()["CONTENT_SECURITY_POLICY"].split(";"))
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert not any("http" in sources or "*" in sources for sources in policy.values())


def test_the_default_model_is_chosen_and_asked_through_the_gateway_without_tools() -> None:
    assert told()["DEFAULT_MODELS"] == MODEL
    assert told()["OPENAI_API_BASE_URLS"] == "http://gateway:8080/v1"
    capabilities = json.loads(told()["DEFAULT_MODEL_METADATA"])["capabilities"]
    assert capabilities["builtin_tools"] is False
    assert not any(capabilities.values())


def test_no_variable_names_a_secret() -> None:
    secret = {"WEBUI_SECRET_KEY", "WEBUI_ADMIN_PASSWORD", "OPENAI_API_KEY", "OPENAI_API_KEYS"}
    assert not secret & told().keys()


@pytest.mark.parametrize("bind", ["127.0.0.1", "127.0.0.2", "::1"])
def test_loopback_addresses_need_no_tls(bind: str) -> None:
    assert page(bind=bind).loopback
    assert page(bind="::1").endpoint == "http://[::1]:3000"
