"""A stack with Open WebUI under test, and what its tests do to it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page, expect

from ops import docker_exec
from tests.docker import fast_stack
from tests.docker.project import Project, free_port

ADMIN = "admin@localhost"
QUESTION = "What is 240 divided by 3?"
ANSWER = "80"


@dataclass(frozen=True)
class Site:
    """A stack with a chat page."""

    project: Project
    port: int = field(default_factory=free_port)
    tokens: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def container(self) -> Any:
        return self.project.containers(everything=True)["webui"]

    def secrets(self) -> dict[str, str]:
        done = self.project.pulumi("config", "get", "slm:webuiSecrets").must_succeed()
        found: dict[str, str] = json.loads(done.output)
        return found

    @property
    def password(self) -> str:
        return self.secrets()["webui-admin-password"]

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        return httpx.request(method, f"{self.url}{path}", timeout=120, trust_env=False, **options)

    def sign_in(self) -> str:
        """A new session's token. After fifteen within three minutes Open WebUI refuses more."""
        answer = self.ask("POST", "/api/v1/auths/signin", json={"email": ADMIN, "password": self.password})
        assert answer.status_code == 200, answer.text
        self.tokens.append(str(answer.json()["token"]))
        return self.tokens[-1]

    def as_admin(self, path: str) -> Any:
        """What the administrator gets, with the last session while it is good."""
        headers = {"Authorization": f"Bearer {self.tokens[-1] if self.tokens else self.sign_in()}"}
        answer = self.ask("GET", path, headers=headers)
        if answer.status_code == 401:
            answer = self.ask("GET", path, headers={"Authorization": f"Bearer {self.sign_in()}"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def chats(self) -> list[str]:
        """Titles of the administrator's chats, as the page lists them."""
        return [str(chat["title"]) for chat in self.as_admin("/api/v1/chats/")]

    def gateway_log(self) -> list[dict[str, Any]]:
        lines = self.project.containers()["gateway"].logs().decode().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def inside(self, program: str) -> str:
        """Run Python in the page's container; what it prints."""
        done = docker_exec.run(self.container, ["python3", "-c", program])
        assert done.exit_code == 0, done.errors.decode()
        return str(done.output.decode().strip())

    def wait_ready(self) -> None:
        """Wait until it serves again."""
        end = time.monotonic() + 400
        while True:
            try:
                if self.ask("GET", "/ready").status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            assert time.monotonic() < end, "it is not ready again"
            time.sleep(0.3)

    def set_secret(self, name: str, content: str) -> None:
        """Keep a secret of several lines in the stack's configuration."""
        subprocess.run(
            ["pulumi", "config", "set", "--secret", f"slm:{name}", "-s", self.project.stack],
            cwd=self.project.folder,
            env={**os.environ, **self.project.environment},
            input=content,
            text=True,
            check=True,
            capture_output=True,
        )


@contextmanager
def deployed(folder: Path, stack: str) -> Iterator[Site]:
    """A stack with a page that is up; removed at the end."""
    with fast_stack.declared(folder, stack) as project:
        site = Site(project)
        project.change({"slm:webui": {"target": "laptop", "port": site.port}})
        project.first_up = project.ops("up").must_succeed()
        yield site


def sign_in(page: Page, password: str) -> None:
    page.get_by_label("Email").fill(ADMIN)
    page.locator("input[type=password]").fill(password)
    page.get_by_role("button", name="Sign in").click()


def ask_model(page: Page, question: str) -> None:
    page.locator("#chat-input").fill(question)
    page.keyboard.press("Enter")


def ask_and_read(site: Site, page: Page) -> None:
    """Sign in, ask the question and wait for the whole answer."""
    sign_in(page, site.password)
    ask_model(page, QUESTION)
    expect(page.locator("#response-content-container").last).to_have_text(ANSWER)
