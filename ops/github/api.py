"""The few calls of GitHub's REST API that the workflows need, with the token of the job."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ops.errors import UserError

if TYPE_CHECKING:
    import httpx

PAGE = 100
LONGEST = 65536
"""Characters that GitHub takes as the body of a comment or an issue."""


class GitHub:
    """One repository. `client` has its address as base and the token in its headers."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> GitHub:
        """As a job's environment names it. Raises UserError outside of one."""
        import httpx

        repository, token = environment.get("GITHUB_REPOSITORY", ""), environment.get("GITHUB_TOKEN", "")
        if not token or not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
            raise UserError(
                "this command runs in a GitHub workflow, which gives it GITHUB_REPOSITORY and GITHUB_TOKEN",
                harm="nothing was written",
                fix="env: GITHUB_TOKEN: ${{ github.token }}; by hand: GITHUB_REPOSITORY=owner/name and your token",
            )
        address = environment.get("GITHUB_API_URL") or "https://api.github.com"
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
        return cls(httpx.Client(base_url=f"{address}/repos/{repository}", headers=headers, timeout=30))

    def close(self) -> None:
        """End its connections."""
        self._client.close()

    def open_pull_requests(self) -> list[int]:
        """The numbers of all that are open."""
        return [int(row["number"]) for row in self._pages("/pulls", {"state": "open"})]

    def comment(self, number: int, body: str) -> None:
        """Write the body as the pull request's comment, in place of the one of the same first line."""
        marker = marker_of(body)
        for row in self._pages(f"/issues/{number}/comments", {}):
            if _ours(row, marker):
                self._send("PATCH", f"/issues/comments/{row['id']}", {"body": cut(body)})
                return
        self._send("POST", f"/issues/{number}/comments", {"body": cut(body)})

    def issue(self, title: str, body: str) -> None:
        """Open an issue, or write the body into the open one of the same first line."""
        marker = marker_of(body)
        for row in self._pages("/issues", {"state": "open"}):
            if "pull_request" not in row and _ours(row, marker):
                self._send("PATCH", f"/issues/{row['number']}", {"title": title, "body": cut(body)})
                return
        self._send("POST", "/issues", {"title": title, "body": cut(body)})

    def _pages(self, path: str, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            rows = self._send("GET", path, query={**query, "per_page": str(PAGE), "page": str(page)})
            yield from rows
            if len(rows) < PAGE:
                return
            page += 1

    def _send(self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None) -> Any:
        import httpx

        try:
            answer = self._client.request(method, path, json=body, params=dict(query or {}))
            answer.raise_for_status()
            return answer.json()
        except httpx.HTTPStatusError as error:
            what = f"GitHub answered {error.response.status_code} to {method} {path}"
        except (httpx.HTTPError, ValueError) as error:
            what = f"GitHub did not answer {method} {path}: {type(error).__name__}"
        raise UserError(
            what,
            harm="what was to be told or asked there was not",
            fix="the job's permissions must name it: pull-requests: write for comments, issues: write for issues",
        )


def marker_of(body: str) -> str:
    """The first line, by which a text is found again. Raises UserError for a text without one."""
    first = body.partition("\n")[0].strip()
    if not re.fullmatch(r"<!-- [ -~]{5,100} -->", first):
        raise UserError(
            "the text does not begin with a marker (<!-- … -->)",
            harm="a comment would be written anew each time",
            fix="write it with make review, make sweep, make drift or make report-pr",
        )
    return first


def cut(body: str) -> str:
    """The body as GitHub takes it: what is too long ends with a word about it."""
    if len(body) <= LONGEST:
        return body
    end = "\n\n(The rest was too long for GitHub: the job's log has it all.)\n"
    return body[: LONGEST - len(end)] + end


def _ours(row: Mapping[str, Any], marker: str) -> bool:
    # Anybody may begin a comment with the marker; only a program's own can be edited with a job's token.
    own = (row.get("user") or {}).get("type") == "Bot"
    return own and str(row.get("body") or "").partition("\n")[0].strip() == marker
