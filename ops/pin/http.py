"""A question to a hub or library over HTTP, with the patience and the sentences of `make pin`."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import tenacity

from ops.errors import UserError

NOTHING = "nothing was written"
LONGEST_WAIT = 60.0
"""Seconds that a throttling server is waited for at most."""


class _Busy(Exception):
    def __init__(self, status: int, wait: str | None) -> None:
        super().__init__(f"it answered {status}")
        self.wait = min(float(wait), LONGEST_WAIT) if wait and wait.isdecimal() else 0.0


def get(
    url: str,
    name: str,
    *,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    token: str | None = None,
) -> httpx.Response:
    """An answer of status 200 for what `name` needs. Raises UserError."""
    exponential = tenacity.wait_random_exponential(multiplier=0.3, max=3)

    def pause(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return max(exponential(state), error.wait if isinstance(error, _Busy) else 0)

    @tenacity.retry(
        retry=tenacity.retry_if_exception_type((httpx.TransportError, _Busy)),
        stop=tenacity.stop_after_attempt(3),
        wait=pause,
        reraise=True,
    )
    def ask() -> httpx.Response:
        sent = dict(headers or {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        # httpx takes the token off when it is sent to another host.
        answer = httpx.get(url, params=dict(query) if query else None, headers=sent, timeout=20, follow_redirects=True)
        if answer.status_code == 429 or answer.status_code >= 500:
            raise _Busy(answer.status_code, answer.headers.get("retry-after"))
        return answer

    try:
        answer = ask()
    except (httpx.HTTPError, _Busy) as error:
        raise _unknown(name, url, str(error) or type(error).__name__) from None
    if answer.status_code in (401, 403):
        raise UserError(
            f"{name} cannot be looked up at {url}: it answered {answer.status_code}, so it wants a token"
            f"{' other than this one' if token else ''}, or has no such repository",
            harm=NOTHING,
            fix="accept the model's licence on its page, name token_secret in the source, and run HF_TOKEN=… make pin",
        )
    if answer.status_code != 200:
        raise _unknown(name, url, f"it answered {answer.status_code}")
    return answer


def _unknown(name: str, url: str, reason: str) -> UserError:
    return UserError(
        f"{name} cannot be looked up at {url}: {reason}",
        harm=NOTHING,
        fix="run make pin where that address can be reached (or correct the model's row), and commit what it writes",
    )
