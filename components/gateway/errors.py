"""What the gateway answers when it refuses: JSON in the shape of OpenAI's errors, so that every client shows it."""

from __future__ import annotations

import json
from dataclasses import dataclass

REQUEST = "invalid_request_error"
SERVER = "server_error"

REFUSAL_HEADER = "x-slm-refusal"
"""Tells the log which refusal an answer is; the gateway takes it away again before the answer leaves."""


@dataclass(frozen=True)
class Refusal:
    """One kind of refusal. `retry_after` is in seconds; None where trying again cannot help."""

    status: int
    code: str
    message: str
    type: str = REQUEST
    param: str | None = None
    retry_after: int | None = None
    challenge: bool = False

    @property
    def body(self) -> str:
        """The JSON document."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return json.dumps({"error": error}, ensure_ascii=True)

    @property
    def reply(self) -> str:
        """The answer as HAProxy's reply arguments."""
        return f"content-type application/json string {quote(self.body)}{self._headers}"

    @property
    def deny(self) -> str:
        """The answer as an action of an `http-request` rule."""
        return f"return status {self.status} {self.reply}{self._named}"

    def deny_formatted(self, body: str) -> str:
        """As `deny`, with a body in HAProxy's log format instead of the fixed one."""
        reply = f"content-type application/json lf-string {quote(body)}{self._headers}{self._named}"
        return f"return status {self.status} {reply}"

    @property
    def _named(self) -> str:
        return f" hdr {REFUSAL_HEADER} {self.code}"

    @property
    def _headers(self) -> str:
        challenge = " hdr WWW-Authenticate 'Bearer realm=\"slm\"'" if self.challenge else ""
        return challenge + (f" hdr Retry-After {self.retry_after}" if self.retry_after else "")


def quote(text: str) -> str:
    """The text as one word of HAProxy's configuration, taken literally. Raises ValueError when that is impossible."""
    if any(c == "'" or ord(c) < 32 for c in text):
        raise ValueError(f"a quote or control character cannot be written to the gateway's configuration: {text!r}")
    return f"'{text}'"


def refusals(body_kib: int, header_kib: int, per_minute: int, concurrent: int, client: int) -> dict[str, Refusal]:
    """All refusals by the name the configuration template uses."""
    return {
        "form": Refusal(400, "malformed_request", "This is not a well-formed HTTP/1.1 request."),
        "headers": Refusal(431, "headers_too_large", f"The request line and headers may have {header_kib} KiB."),
        "host": Refusal(421, "host_not_allowed", "This gateway does not answer to that Host name (gateway.hosts)."),
        "origin": Refusal(403, "origin_not_allowed", "Web pages of this origin may not call (gateway.origins)."),
        "path": Refusal(404, "unknown_url", "This method and path are not served here."),
        "key": Refusal(
            401,
            "invalid_api_key",
            "No valid API key was sent; send one as Authorization: Bearer KEY.",
            challenge=True,
        ),
        # The window slides over a minute, so a key that used it up in one burst has room again after a minute.
        "rate": Refusal(
            429,
            "rate_limit_exceeded",
            f"This key may make {per_minute} requests per minute.",
            "rate_limit_error",
            retry_after=60,
        ),
        "concurrency": Refusal(
            429,
            "concurrency_limit_exceeded",
            f"This key may have {concurrent} requests running at once.",
            "rate_limit_error",
            retry_after=2,
        ),
        "body": Refusal(413, "request_too_large", f"The request body may have {body_kib} KiB."),
        "no_model": Refusal(
            400,
            "invalid_json",
            "The body must be a JSON object with the name of a deployed model as text in its field model.",
            param="model",
        ),
        "no_model_page": Refusal(404, "model_not_found", "No such model is deployed.", param="model"),
        "down": Refusal(503, "engine_down", "The engine of this model does not answer.", SERVER, retry_after=5),
        "busy": Refusal(503, "engine_overloaded", "Too many requests wait for this model.", SERVER, retry_after=5),
        "408": Refusal(408, "request_timeout", f"The request did not arrive within {client} seconds."),
        "400": Refusal(400, "malformed_request", "This is not a well-formed HTTP/1.1 request."),
        "500": Refusal(500, "gateway_error", "The gateway failed.", SERVER, retry_after=5),
        "502": Refusal(502, "engine_failed", "The engine broke off without an answer.", SERVER, retry_after=5),
        "503": Refusal(503, "engine_unavailable", "The engine cannot take the request now.", SERVER, retry_after=5),
        "504": Refusal(504, "engine_timeout", "The engine did not answer in time.", SERVER, retry_after=10),
    }
