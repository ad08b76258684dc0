"""HTTP: resumable downloads with retries, and what the answers mean."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from slm_fetch.plan import Plan, SourceFailed
from slm_fetch.report import Report
from slm_fetch.retry import Cancelled, Interrupted, reason_of, retried, wait_asked

T = TypeVar("T")


class Refused(SourceFailed):
    """The server wants other credentials than it got."""


class Web:
    """Requests to one source, from one or more threads.

    `secret` names the token's secret in messages; the token itself is never shown, and goes to no other host than the
    one asked. `authority` is the only certificate authority that is trusted then, and such a server is asked directly:
    through no proxy, and where it sends elsewhere is not followed. `stop` ends transfers when it is set.
    """

    def __init__(
        self,
        plan: Plan,
        report: Report,
        *,
        token: str | None = None,
        secret: str | None = None,
        headers: Mapping[str, str] | None = None,
        authority: Path | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self.plan, self.report, self.secret = plan, report, secret
        self.stop = stop or threading.Event()
        context = ssl.create_default_context(cafile=authority)
        if plan.ca_bundle and not authority:
            context.load_verify_locations(plan.ca_bundle)
        self.client = httpx.Client(
            timeout=httpx.Timeout(plan.timeout, connect=min(plan.timeout, 10)),
            follow_redirects=not authority,
            trust_env=not authority,
            verify=context,
            # Byte ranges of a compressed answer would not be ranges of the file.
            headers={"Accept-Encoding": "identity", "User-Agent": "slm-stacks-fetch"}
            | dict(headers or {})
            | ({"Authorization": f"Bearer {token}"} if token else {}),
        )

    def __enter__(self) -> Web:
        return self

    def __exit__(self, *_error: object) -> None:
        self.client.close()

    def small(self, url: str, headers: Mapping[str, str] | None = None, *, limit: int = 8 * 1024 * 1024) -> bytes:
        """The body of a small answer. Raises SourceFailed."""
        return self.answer(url, headers, limit=limit)[0]

    def answer(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        body: Mapping[str, Any] | None = None,
        limit: int = 8 * 1024 * 1024,
    ) -> tuple[bytes, httpx.Response]:
        """Body and head of a small answer to GET, or to POST when there is a JSON `body`. Raises SourceFailed."""

        def once() -> tuple[bytes, httpx.Response]:
            method = "GET" if body is None else "POST"
            with self.client.stream(method, url, headers=dict(headers or {}), json=body) as answer:
                self._judge(answer, url)
                content = b""
                for chunk in answer.iter_bytes():
                    content += chunk
                    if len(content) > limit:
                        raise SourceFailed(f"{place(url)} sent more than {limit} bytes")
                return content, answer

        return self._retried(url, once, lambda: 0)

    def download(self, url: str, part: Path, size: int, tell: Callable[[int], None] | None = None) -> None:
        """Complete the partial file up to `size` bytes, telling how many there are. Raises SourceFailed, Cancelled."""
        tell = tell or (lambda done: self.report.progress(done, total=size))

        def once() -> None:
            have = part.stat().st_size if part.exists() else 0
            if have > size:
                part.unlink()
                have = 0
            if have == size:
                part.touch()
                return
            headers = {"Range": f"bytes={have}-"} if have else {}
            with self.client.stream("GET", url, headers=headers) as answer:
                if answer.status_code == 416:
                    part.unlink()
                    raise Interrupted("it does not know this range")
                self._judge(answer, url)
                resumed = answer.status_code == 206 and answer.headers.get("content-range", "").startswith(
                    f"bytes {have}-"
                )
                if answer.status_code == 206 and not resumed:
                    raise SourceFailed(f"{place(url)} answered with another byte range than the one asked for")
                with part.open("ab" if resumed else "wb") as stream:
                    done = have if resumed else 0
                    # Chunks as they come: gathered into larger ones, the last would be lost with the connection.
                    for chunk in answer.iter_bytes():
                        done += len(chunk)
                        if done > size:
                            raise SourceFailed(f"{place(url)} sends more than the {size} bytes expected")
                        stream.write(chunk)
                        tell(done)
                        if self.stop.is_set():
                            raise Cancelled
            if done < size:
                raise Interrupted(f"the connection ended after {done} of {size} bytes")

        self._retried(url, once, lambda: part.stat().st_size if part.exists() else 0)

    def _retried(self, url: str, once: Callable[[], T], position: Callable[[], int]) -> T:
        try:
            return retried(once, position, self.plan, self.report, self.stop)
        except (httpx.HTTPError, httpx.InvalidURL, Interrupted) as error:
            raise SourceFailed(f"{place(url)} cannot be had: {reason_of(error)}") from None

    def _judge(self, answer: httpx.Response, url: str) -> None:
        """Raise by the status: SourceFailed where trying again cannot help, Interrupted where it can."""
        status = answer.status_code
        if status in (200, 206):
            return
        if status in (401, 403) and answer.history and _host(str(answer.url)) != _host(url):
            # The next attempt starts at the source again and is given a new link.
            raise Interrupted(f"the storage its link leads to answered {status}; the link may be too old")
        if status in (401, 403):
            told = f"it refused the token of the secret '{self.secret}'" if self.secret else "it wants a token"
            fix = (
                "renew the token, or accept the model's licence on its page with the token's account"
                if self.secret
                else "name its secret in token_secret (a gated model also wants its licence accepted), or correct the"
                " spelling of its name"
            )
            raise Refused(f"{place(url)} answered {status}: {told}; {fix}")
        if status in (404, 410):
            raise SourceFailed(
                f"{place(url)} answered {status}: no such model, revision or file; check the spelling of the pin"
            )
        if status in (408, 429) or status >= 500:
            raise Interrupted(f"it answered {status}", wait_asked(answer.headers.get("retry-after")))
        raise SourceFailed(f"{place(url)} answered {status}")


def place(url: str) -> str:
    """A URL for messages: without query, which may hold a signature, and without user information."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _host(url: str) -> tuple[str | None, int | None]:
    parts = urlsplit(url)
    return parts.hostname, parts.port
