"""Open WebUI as a person meets it: a real browser on a real stack, and what a stranger or a thief would try."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ops import docker_exec
from ops.verify import broken_controls
from tests.docker import tiny_model
from tests.docker.browser import visit
from tests.docker.monitored import eventually
from tests.docker.webui_site import ADMIN, ANSWER, QUESTION, Site, ask_and_read, ask_model, deployed, sign_in

pytestmark = pytest.mark.docker

SMALL = 4096
"""Bytes of a request that carries a question; with the descriptions of built-in tools it would have 17000."""
LOOKED_UP = "/tmp/looked-up"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with deployed(tmp_path_factory.mktemp("webui"), "test-webui") as site:
        yield site


def test_a_person_signs_in_finds_the_model_chosen_asks_and_reads_a_streamed_answer(site: Site) -> None:
    pieces: list[str] = []
    elsewhere: list[str] = []

    def read(frame: str | bytes) -> None:
        if "output_text.delta" in str(frame):
            pieces.append(json.loads(str(frame)[2:])[1]["data"]["data"]["delta"])

    def steps(page: Page) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        pieces.clear()
        before = len(site.gateway_log())
        page.on("websocket", lambda socket: socket.on("framereceived", read))
        own = (site.url, site.url.replace("http", "ws"), "data:", "blob:", "about:")
        page.on("request", lambda request: None if request.url.startswith(own) else elsewhere.append(request.url))
        page.goto(site.url)
        sign_in(page, site.password)
        expect(page.get_by_role("button", name=tiny_model.NAME).first).to_be_visible()
        ask_model(page, QUESTION)
        expect(page.locator("#response-content-container").last).to_have_text(ANSWER)
        cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}

        def asked() -> list[dict[str, Any]]:
            return [line for line in site.gateway_log()[before:] if line["method"] == "POST"]

        # The gateway writes its line once the answer has ended, and Docker has it a moment later.
        eventually(asked, "the line of the question")
        return dict(cookies["token"]), asked()

    token, asked = visit("about:blank", steps)
    assert pieces == list(ANSWER), "each token is a message of its own"
    assert elsewhere == [], "the page asked others than its own server"
    assert (token["httpOnly"], token["secure"], token["sameSite"]) == (True, True, "Strict")
    assert [(line["key"], line["path"], line["status"]) for line in asked] == [("webui", "/v1/chat/completions", 200)]
    assert asked[0]["bytes_in"] < SMALL
    assert QUESTION in site.chats()


def test_a_wrong_password_is_refused(site: Site) -> None:
    def steps(page: Page) -> None:
        sign_in(page, "slm-Not-the-password-1")
        expect(page.get_by_text("incorrect", exact=False).first).to_be_visible()
        assert "/auth" in page.url
        assert page.context.cookies() == []

    visit(site.url, steps)


def test_nobody_can_make_himself_an_account(site: Site) -> None:
    def steps(page: Page) -> None:
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        assert page.get_by_role("button", name="Sign up").count() == 0

    visit(f"{site.url}/auth", steps)
    stranger = {"name": "x", "email": "x@example.org", "password": "slm-Stranger-1"}
    assert site.ask("POST", "/api/v1/auths/signup", json=stranger).status_code == 403
    assert site.ask("GET", "/api/config").json()["features"]["enable_signup"] is False


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/models"),
        ("POST", "/api/chat/completions"),
        ("GET", "/openai/models"),
        ("GET", "/ollama/api/tags"),
        ("GET", "/api/v1/users/"),
        ("GET", "/api/v1/utils/db/download"),
    ],
)
def test_without_a_session_nothing_is_served(site: Site, method: str, path: str) -> None:
    assert site.ask(method, path, json={} if method == "POST" else None).status_code in (401, 403)


def test_its_interface_is_not_described_to_strangers(site: Site) -> None:
    for path in ("/docs", "/openapi.json"):
        assert "swagger" not in site.ask("GET", path).text.lower()
        assert '"openapi"' not in site.ask("GET", path).text


def test_forwarded_headers_and_foreign_origins_are_not_believed(site: Site) -> None:
    claimed = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Email": ADMIN, "X-Forwarded-User": ADMIN}
    assert site.ask("GET", "/api/v1/auths/", headers=claimed).status_code in (401, 403)
    answer = site.ask("GET", "/api/config", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    socket = site.ask("GET", "/ws/socket.io/?EIO=4&transport=polling", headers={"Origin": "https://evil.example"})
    assert socket.status_code == 400
    assert "203.0.113.9" not in site.container.logs().decode()


def test_it_is_ready_and_says_so(site: Site) -> None:
    assert site.ask("GET", "/ready").json() == {"status": True}
    assert site.container.attrs["State"]["Health"]["Status"] == "healthy"
    assert site.project.first_up is not None
    assert site.url in site.project.first_up.output


def test_every_container_holds_its_controls_and_only_loopback_is_published(site: Site) -> None:
    containers = site.project.containers()
    assert set(containers) == {"chat", "gateway", "webui"}
    assert [f for c in containers.values() for f in broken_controls(c.attrs)] == []
    published = {
        (name, binding["HostIp"])
        for name, container in containers.items()
        for bindings in (container.attrs["HostConfig"]["PortBindings"] or {}).values()
        for binding in bindings
    }
    assert published == {("gateway", "127.0.0.1"), ("webui", "127.0.0.1")}
    assert site.container.exec_run(["touch", "/opt/webui/x"]).exit_code != 0


def test_it_reaches_the_gateway_and_nothing_else(site: Site) -> None:
    containers = site.project.containers()
    engine = containers["chat"].attrs["NetworkSettings"]["Networks"][f"slm-{site.project.stack}-internal"]["IPAddress"]
    program = f"""
import socket
for host, port in (("gateway", 8080), ("{engine}", 11434), ("192.0.2.1", 80), ("169.254.169.254", 80)):
    try:
        socket.create_connection((host, port), 2).close()
        print("open", host)
    except OSError:
        print("closed")
for name in ("chat", "deb.debian.org", "openwebui.com"):
    try:
        print("found", socket.getaddrinfo(name, 80)[0][4])
    except OSError:
        print("unknown")
"""
    assert site.inside(program).split("\n") == ["open gateway", *["closed"] * 3, *["unknown"] * 3]
    assert set(site.container.attrs["NetworkSettings"]["Networks"]) == {f"slm-{site.project.stack}-published"}


def test_control_50_from_its_start_to_an_answer_it_looks_up_nobody_outside(site: Site) -> None:
    site.container.restart(timeout=30)
    # Docker's name server passes what it does not know on to the container itself (see components/targets/docker).
    listen = f"""
import socket
listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
listener.bind(("127.0.0.1", 53))
while True:
    question = listener.recv(512)[12:]
    with open("{LOOKED_UP}", "a") as file:
        file.write(question.split(b"\\0")[0].decode(errors="replace") + "\\n")
"""
    site.container.exec_run(["python3", "-c", listen], detach=True)
    site.wait_ready()
    visit(site.url, partial(ask_and_read, site))
    site.inside("import socket\ntry: socket.getaddrinfo('seen.example', 80)\nexcept OSError: pass")
    looked_up = set(site.inside(f"print(open('{LOOKED_UP}').read())").split())
    assert {name for name in looked_up if "seen" not in name} == set()
    assert looked_up, "the listener would have seen nothing either"


def test_secrets_are_files_of_its_own_and_in_no_description_of_it(site: Site) -> None:
    secrets = site.secrets().values()
    described = json.dumps(site.container.attrs)
    first = docker_exec.run(site.container, ["cat", "/proc/1/environ"]).output.decode(errors="replace")
    printed = site.container.logs().decode()
    assert not [s for s in secrets for text in (described, first, printed) if s in text]
    listed = docker_exec.run(site.container, ["stat", "-c", "%a %u", "/etc/slm/secret-key"]).output.decode()
    assert listed.split() == ["400", "10001"]
    database = docker_exec.run(site.container, ["stat", "-c", "%a", "/data/webui.db"]).output.decode()
    assert database.strip() == "600"


def test_every_variable_it_is_told_is_one_it_reads(site: Site) -> None:
    """A name that a new version has changed would leave a door open without a word."""
    program = """
import importlib.util, os, pathlib
source = pathlib.Path(importlib.util.find_spec("open_webui").submodule_search_locations[0])
text = "".join(path.read_text() for path in source.rglob("*.py"))
for name in os.environ:
    if f"'{name}'" not in text and f'"{name}"' not in text:
        print(name)
"""
    ours = {line.partition("=")[0] for line in site.container.attrs["Config"]["Env"]}
    unread = set(site.inside(program).split()) & ours
    elsewhere = {"SCARF_NO_ANALYTICS", "DO_NOT_TRACK", "ANONYMIZED_TELEMETRY", "HOME", "PATH"}
    assert unread <= elsewhere | {"PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}


def test_a_second_up_changes_nothing_and_smoke_passes(site: Site) -> None:
    site.project.pulumi("preview", "--expect-no-changes").must_succeed()
    site.project.ops("smoke").must_succeed()


def test_a_password_is_not_shown_through_a_pipe(site: Site) -> None:
    done = site.project.ops("webui-password").must_fail("on a terminal only")
    assert site.password not in done.output
