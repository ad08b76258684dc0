"""HTTP: resumable downloads with retries, and what the answers mean."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
import tenacity

from slm_fetch.plan import Plan, SourceFailed
from slm_fetch.report import Report

ATTEMPTS = 6
"""Attempts in a row without a new byte before a source is given up that has served some."""
FIRST_ATTEMPTS = 3
"""The same for a source that has served none: the next one should get its turn soon."""

T = TypeVar("T")


class Interrupted(Exception):
    """The transfer broke off for a reason that may pass."""


class Web:
    """Requests to one source. `secret` names the token's secret in messages; the token itself is never shown."""

    def __init__(self, plan: Plan, report: Report, *, token: str | None = None, secret: str | None = None) -> None:
        self.plan, self.report, self.secret = plan, report, secret
        context = ssl.create_default_context()
        if plan.ca_bundle:
            context.load_verify_locations(plan.ca_bundle)
        self.client = httpx.Client(
            timeout=httpx.Timeout(plan.timeout, connect=min(plan.timeout, 10)),
            follow_redirects=True,
            verify=context,
            # Byte ranges of a compressed answer would not be ranges of the file.
            headers={"Accept-Encoding": "identity", "User-Agent": "slm-stacks-fetch"}
            | ({"Authorization": f"Bearer {token}"} if token else {}),
        )

    def __enter__(self) -> Web:
        return self

    def __exit__(self, *_error: object) -> None:
        self.client.close()

    def small(self, url: str, headers: Mapping[str, str], limit: int = 4 * 1024 * 1024) -> bytes:
        """The body of a small answer. Raises SourceFailed."""

        def once() -> bytes:
            with self.client.stream("GET", url, headers=dict(headers)) as answer:
                self._judge(answer, url)
                body = b""
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > limit:
                        raise SourceFailed(f"{place(url)} sent more than {limit} bytes")
                return body

        return self._retried(url, once, lambda: 0)

    def download(self, url: str, part: Path, size: int) -> None:
        """Complete the partial file up to `size` bytes. Raises SourceFailed."""

        def once() -> None:
            have = part.stat().st_size if part.exists() else 0
            if have > size:
                part.unlink()
                have = 0
            if have == size:
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
                        self.report.progress(done, total=size)
            if done < size:
                raise Interrupted(f"the connection ended after {done} of {size} bytes")

        self._retried(url, once, lambda: part.stat().st_size if part.exists() else 0)

    def _retried(self, url: str, once: Callable[[], T], position: Callable[[], int]) -> T:
        """Call `once` until it works; only attempts that bring no new byte count. Raises SourceFailed."""
        best, idle = position(), 0

        def stuck(_state: tenacity.RetryCallState) -> bool:
            nonlocal best, idle
            idle = 0 if position() > best else idle + 1
            best = max(best, position())
            return idle >= (ATTEMPTS if best else FIRST_ATTEMPTS)

        def tell(state: tenacity.RetryCallState) -> None:
            pause = state.next_action.sleep if state.next_action else 0
            error = state.outcome.exception() if state.outcome else None
            self.report.event("retry", source=self.report.source, reason=_reason(error), pause=round(pause, 1))

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((httpx.TransportError, Interrupted)),
            stop=stuck,
            wait=tenacity.wait_random_exponential(multiplier=0.5, max=self.plan.longest_pause),
            before_sleep=tell,
            reraise=True,
        )
        try:
            return retrying(once)
        except (httpx.HTTPError, Interrupted) as error:
            raise SourceFailed(f"{place(url)} cannot be had: {_reason(error)}") from None

    def _judge(self, answer: httpx.Response, url: str) -> None:
        """Raise by the status: SourceFailed where trying again cannot help, Interrupted where it can."""
        status = answer.status_code
        if status in (200, 206):
            return
        if status in (401, 403):
            told = f"it refused the token of the secret '{self.secret}'" if self.secret else "it wants a token"
            fix = "renew the token or accept the model's terms" if self.secret else "name its secret in token_secret"
            raise SourceFailed(f"{place(url)} answered {status}: {told}; {fix}")
        if status in (404, 410):
            raise SourceFailed(
                f"{place(url)} answered {status}: no such model, revision or file; check the spelling of the pin"
            )
        if status == 429 or status >= 500:
            raise Interrupted(f"it answered {status}")
        raise SourceFailed(f"{place(url)} answered {status}")


def _reason(error: BaseException | None) -> str:
    # Transport errors of httpx carry the operating system's words and neither headers nor the redirected URL.
    return str(error) or type(error).__name__


def place(url: str) -> str:
    """A URL for messages: without query, which may hold a signature, and without user information."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}"
