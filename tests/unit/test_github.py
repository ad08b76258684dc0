"""What workflows tell GitHub: one comment and one issue, edited in place; and the text about drift."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from ops import drift
from ops.errors import UserError
from ops.github import command
from ops.github.api import LONGEST, PAGE, GitHub, cut, marker_of

pytestmark = pytest.mark.unit
MARKER = "<!-- slm-stacks: review stack -->"
BODY = f"{MARKER}\nit is up\n"


class Server:
    """GitHub with lists by path, which writes down what it is asked to change."""

    def __init__(self, status: int = 200, **lists: list[dict[str, Any]]) -> None:
        self.lists, self.status = lists, status
        self.changed: list[tuple[str, str, dict[str, Any]]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/repos/o/r")
        if request.method != "GET":
            self.changed.append((request.method, path, json.loads(request.content)))
            return httpx.Response(self.status, json={})
        rows = self.lists.get(path.rpartition("/")[2], [])
        start = (int(request.url.params["page"]) - 1) * PAGE
        return httpx.Response(self.status, json=rows[start : start + PAGE])

    @property
    def github(self) -> GitHub:
        client = httpx.Client(base_url="https://api.example/repos/o/r", transport=httpx.MockTransport(self))
        return GitHub(client)


def said(number: int, body: str, kind: str = "Bot") -> dict[str, Any]:
    return {"id": number, "number": number, "body": body, "user": {"type": kind}}


def test_the_first_comment_is_written_and_the_next_one_takes_its_place() -> None:
    server = Server()
    server.github.comment(12, BODY)
    assert server.changed == [("POST", "/issues/12/comments", {"body": BODY})]
    # On the second page, behind a person's that quotes the marker and another program's.
    rows = [said(n, "hello", "User") for n in range(PAGE)] + [
        said(7, BODY, "User"),
        said(8, "<!-- other -->"),
        said(9, BODY),
    ]
    server = Server(comments=rows)
    server.github.comment(12, BODY + "again")
    assert server.changed == [("PATCH", "/issues/comments/9", {"body": BODY + "again"})]


def test_an_issue_about_the_same_is_edited_and_a_pull_request_is_none() -> None:
    server = Server(issues=[{**said(3, BODY), "pull_request": {}}, said(4, BODY)])
    server.github.issue("drift", BODY)
    assert server.changed == [("PATCH", "/issues/4", {"title": "drift", "body": BODY})]
    server = Server()
    server.github.issue("drift", BODY)
    assert server.changed[0][:2] == ("POST", "/issues")


def test_all_open_pull_requests_are_written_for_the_sweeper(tmp_path: Path) -> None:
    server = Server(pulls=[{"number": n} for n in range(150, 0, -1)])
    command.open_pull_requests(tmp_path / "open.json", Console(quiet=True), lambda: server.github)
    assert json.loads((tmp_path / "open.json").read_text()) == list(range(1, 151))


def test_without_an_answer_no_list_is_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="GitHub answered 403 to GET /pulls"):
        command.open_pull_requests(tmp_path / "open.json", Console(quiet=True), lambda: Server(403).github)
    assert not (tmp_path / "open.json").exists(), "an empty one would remove every review stack"


def test_a_text_without_a_marker_a_missing_file_and_an_empty_title_are_refused(tmp_path: Path) -> None:
    (tmp_path / "plain.md").write_text("hello")
    server = Server()
    for file, words in (("plain.md", "marker"), ("absent.md", "cannot be read")):
        with pytest.raises(UserError, match=words):
            command.comment(12, tmp_path / file, Console(quiet=True), lambda: server.github)
    with pytest.raises(UserError, match="no title"):
        command.issue(" ", tmp_path / "plain.md", Console(quiet=True), lambda: server.github)
    assert server.changed == []


def test_what_is_too_long_is_cut_with_a_word_about_it() -> None:
    assert cut(BODY) == BODY
    long = cut(BODY + "x" * LONGEST)
    assert len(long) == LONGEST
    assert "too long for GitHub" in long[-80:]
    assert marker_of(long) == MARKER


@pytest.mark.parametrize(
    "environment", [{}, {"GITHUB_REPOSITORY": "o/r"}, {"GITHUB_REPOSITORY": "../x y", "GITHUB_TOKEN": "t"}]
)
def test_outside_of_a_workflow_it_says_what_it_needs(environment: dict[str, str]) -> None:
    with pytest.raises(UserError, match="GITHUB_REPOSITORY and GITHUB_TOKEN"):
        GitHub.of(environment)


def test_the_token_goes_into_a_header_and_into_no_message() -> None:
    github = GitHub.of({"GITHUB_REPOSITORY": "o/r", "GITHUB_TOKEN": "hush", "GITHUB_API_URL": "http://127.0.0.1:9"})
    with pytest.raises(UserError, match="did not answer GET /pulls: ConnectError") as refused:
        github.open_pull_requests()
    github.close()
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("code", "output", "words"),
    [
        (0, "3 unchanged", "is as it is described"),
        (255, f"error: {drift.UNEXPECTED}", "is not as it is described"),
        (255, "error: incorrect passphrase", "nobody knows whether"),
    ],
)
def test_drift_is_told_apart_from_a_comparison_that_failed(code: int, output: str, words: str) -> None:
    text = drift.told("prod", code, output)
    assert words in text
    assert output in text
    assert marker_of(text) == "<!-- slm-stacks: drift of prod -->"


def test_pulumis_words_cannot_end_their_block_and_are_cut_at_the_front() -> None:
    text = drift.told("prod", 255, "```\n" + "y" * 100_000 + "the end")
    assert text.count("```") == 2
    assert "the end" in text
    assert len(text) < LONGEST
