"""Errors as OpenAI's clients expect them: `{"error": {"message", "type", "param", "code"}}`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException


class ErrorBody(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorAnswer(BaseModel):
    """The body of every answer that is an error."""

    error: ErrorBody


class ApiError(Exception):
    """An answer that is an error."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.param, self.code, self.retry_after = status, param, code, retry_after

    def answer(self) -> JSONResponse:
        """The HTTP answer."""
        headers = {"Retry-After": str(self.retry_after)} if self.retry_after is not None else None
        return JSONResponse(body(self.status, str(self), self.param, self.code), self.status, headers)


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """A request that cannot be done as it is."""
    return ApiError(400, message, param=param, code=code)


def body(status: int, message: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """The body of an error answer."""
    kinds = {404: "not_found_error", 413: "invalid_request_error", 429: "rate_limit_error", 503: "service_unavailable"}
    kind = kinds.get(status, "invalid_request_error" if status < 500 else "server_error")
    return ErrorAnswer(error=ErrorBody(message=message, type=kind, param=param, code=code)).model_dump()


def register(app: FastAPI, count: Callable[[int], None]) -> None:
    """Give every error of the application this form, and count each by its status."""

    def answer(status: int, message: str, param: str | None = None, headers: Any = None) -> JSONResponse:
        count(status)
        return JSONResponse(body(status, message, param), status, headers)

    @app.exception_handler(ApiError)
    async def _api_error(_: Request, error: ApiError) -> JSONResponse:
        count(error.status)
        return error.answer()

    @app.exception_handler(RequestValidationError)
    async def _wrong_request(_: Request, error: RequestValidationError) -> JSONResponse:
        return answer(400, *_explain(error.errors()))

    @app.exception_handler(HTTPException)
    async def _http_error(request: Request, error: HTTPException) -> JSONResponse:
        path = request.url.path
        texts = {404: f"there is no {path}", 405: f"{path} does not take {request.method}"}
        return answer(error.status_code, texts.get(error.status_code, str(error.detail)), headers=error.headers)

    @app.exception_handler(Exception)
    async def _fault(_: Request, __: Exception) -> JSONResponse:
        return answer(500, "the server failed on this request; its log says where")


def _explain(problems: Sequence[Any]) -> tuple[str, str | None]:
    """One sentence for the first problem, and the field it is about. Values are not repeated: they are content."""
    first = problems[0]
    place = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path")) or None
    if first["type"] == "json_invalid":
        return "the body is not valid JSON", None
    if first["type"] == "extra_forbidden":
        return f"the field {place} is not supported by this server", place
    if first["type"] == "value_error":
        # Raised by a schema's own check, which begins with the field it is about where there is one.
        text = str(first["ctx"]["error"])
        return text, place or (text.split(":")[0] if ":" in text.split(" ")[0] else None)
    return f"{place or 'the body'}: {first['msg']}", place
