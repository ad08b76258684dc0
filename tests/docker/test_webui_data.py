"""What Open WebUI keeps, and its keys and certificates, over restarts, losses and changes of the stack."""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import docker
import httpx
import pytest
import yaml
from playwright.sync_api import Page, expect

from tests.docker import tiny_model
from tests.docker.browser import visit
from tests.docker.test_gateway_traffic import certificate
from tests.docker.webui_site import ANSWER, QUESTION, Site, ask_and_read, deployed, sign_in

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A stack with a page in which one question was asked and answered."""
    with deployed(tmp_path_factory.mktemp("webui-data"), "test-webui-data") as site:
        visit(site.url, partial(ask_and_read, site))
        assert QUESTION in site.chats()
        yield site


def test_a_restart_keeps_chats_and_sessions(site: Site) -> None:
    token, before = site.sign_in(), site.chats()
    assert before
    site.container.restart(timeout=30)
    site.wait_ready()
    answer = site.ask("GET", "/api/v1/chats/", headers={"Authorization": f"Bearer {token}"})
    assert [chat["title"] for chat in answer.json()] == before


def test_peoples_keys_rotate_without_the_page_noticing(site: Site) -> None:
    before = site.container.id
    site.project.ops("rotate-key").must_succeed()
    assert site.container.id == before
    models = site.as_admin("/api/models")["data"]
    assert [model["id"] for model in models] == [tiny_model.NAME]


def test_its_own_key_is_replaced_and_the_old_one_refused(site: Site) -> None:
    old = site.secrets()["webui-api-key"]
    assert site.project.request("GET", "/v1/models", old).status_code == 200
    site.project.ops("rotate-webui-key").must_succeed()
    assert site.project.request("GET", "/v1/models", old).status_code == 401
    assert site.project.request("GET", "/v1/models", site.secrets()["webui-api-key"]).status_code == 200


def test_a_lost_volume_comes_back_from_a_backup(site: Site, tmp_path: Path) -> None:
    kept, file = site.chats(), tmp_path / "backup.tar.gz"
    assert QUESTION in kept
    site.project.ops("backup-webui", "--file", str(file)).must_succeed()
    assert oct(file.stat().st_mode & 0o777) == "0o600"
    client = docker.from_env()
    try:
        site.container.remove(force=True)
        client.volumes.get(f"slm-{site.project.stack}-webui-data").remove()
    finally:
        client.close()
    site.project.ops("up").must_succeed()
    assert site.chats() == [], "the volume is a new one"
    done = site.project.ops("restore-webui", "--file", str(file)).must_succeed()
    assert "1 accounts" in done.output
    assert site.chats() == kept

    def steps(page: Page) -> None:
        sign_in(page, site.password)
        # To leave the page before it has the session would be to leave without one.
        expect(page.locator("#chat-input")).to_be_visible()
        page.goto(f"{site.url}/c/{chat_id(site)}")
        expect(page.locator("#response-content-container").last).to_have_text(ANSWER)

    visit(site.url, steps)


def test_a_file_that_is_no_backup_changes_nothing(site: Site, tmp_path: Path) -> None:
    kept, started = site.chats(), site.container.attrs["State"]["StartedAt"]
    (tmp_path / "x.tar.gz").write_bytes(b"hello")
    site.project.ops("restore-webui", "--file", str(tmp_path / "x.tar.gz")).must_fail("is no backup")
    assert site.container.attrs["State"]["StartedAt"] == started
    assert site.chats() == kept


def test_with_tls_everywhere_it_is_served_encrypted_and_still_reaches_the_models(site: Site) -> None:
    for name, content in zip(("page-cert", "page-key"), certificate(), strict=True):
        site.set_secret(name, content)
    tls = {"certificate": "page-cert", "key": "page-key", "minimum": "1.3"}
    site.project.change({"slm:webui": {"tls": tls}, "slm:gateway": {"tls": dict(tls)}})
    site.project.pulumi("up", "--yes", "--skip-preview").must_succeed()
    secured = site.url.replace("http", "https")
    visit(secured, partial(ask_and_read, site), ignore_https_errors=True)
    context = ssl._create_unverified_context()
    with urllib.request.urlopen(f"{secured}/ready", context=context) as answer:
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(OSError, match=r"SSL|reset"):
        urllib.request.urlopen(f"{secured}/ready", context=context)
    with pytest.raises(httpx.HTTPError):
        site.ask("GET", "/ready")


def test_it_can_be_taken_out_of_a_stack_and_its_key_opens_nothing_then(site: Site) -> None:
    old = site.secrets()["webui-api-key"]
    document = yaml.safe_load(site.project.file.read_text())
    del document["config"]["slm:webui"]
    document["config"]["slm:gateway"].pop("tls", None)
    site.project.file.write_text(yaml.safe_dump(document, sort_keys=False))
    site.project.ops("up").must_succeed()
    assert set(site.project.containers()) == {"chat", "gateway"}
    assert site.project.request("GET", "/v1/models", old).status_code == 401


def chat_id(site: Site) -> str:
    return str(site.as_admin("/api/v1/chats/")[0]["id"])
