"""One error shape for everything that goes wrong.

    Refused                 a route says no: status, code, message, details
    RequestValidationError  400 bad_input, with the field and what was expected
    HTTPException           Starlette's own: 404 not_found, 405 method_not_allowed, 413 too_large
    StoreUnreachable        503 unavailable: the journal does not answer now
    anything else           500 internal_error; what it was stands in the log, not in the answer

Values that the client sent are never repeated: they may hold patient data.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from service.expected import expected_of

RETRY_AFTER_S = 2

CODE_OF_STATUS: dict[int, str] = {
    400: "bad_input",
    401: "not_signed_in",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    429: "too_many_requests",
    500: "internal_error",
    503: "unavailable",
}

log = logging.getLogger(__name__)


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.details, self.headers = status, message, details, headers
        self.code = code or code_of(status)


def not_found(what: str) -> Refused:
    """404 for one thing that is not there."""
    return Refused(404, f"There is no such {what}.")


def bad_field(field: str, expected: str) -> Refused:
    """400 that names the field and what was expected of it."""
    return Refused(400, f"{field}: {expected}.", field=field, expected=expected)


def unavailable(message: str, **details: Any) -> Refused:
    """503 that may be tried again."""
    return Refused(503, message, **details)


def code_of(status: int) -> str:
    """The word for a status."""
    return CODE_OF_STATUS.get(status, "error")


def error_body(code: str, message: str, details: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The one shape."""
    return {"error": {"code": code, "message": message, "details": dict(details or {})}}


def add_handlers(app: FastAPI, unreachable: tuple[type[Exception], ...]) -> None:
    """Map every kind of trouble to the one shape; ``unreachable`` are the errors that a later try may cure."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _from_starlette)
    for kind in unreachable:
        app.add_exception_handler(kind, _unreachable)
    app.add_exception_handler(Exception, _surprise)


def answer(status: int, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error as a response, with the headers that its status asks for."""
    extra = {"Cache-Control": "no-store"}
    if status in {429, 503}:
        extra["Retry-After"] = str(RETRY_AFTER_S)
    if status == 401:
        extra["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body, status, headers={**extra, **(headers or {})})


def refusal(error: Refused) -> JSONResponse:
    """A Refused as a response."""
    return answer(error.status, error_body(error.code, error.message, error.details), error.headers)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)  # noqa: S101 - registered for this type only
    return refusal(error)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type only
    problems = [{"field": _field_of(problem["loc"]), "expected": expected_of(problem)} for problem in error.errors()]
    first = problems[0]
    return answer(
        400, error_body("bad_input", f"{first['field']}: {first['expected']}.", {**first, "problems": problems})
    )


def _field_of(location: tuple[Any, ...]) -> str:
    """``volume_ml`` for ("body", "volume_ml"), ``body`` for the body as a whole."""
    parts = [str(part) for part in location if part not in {"body", "query", "path", "header", "cookie"}]
    return ".".join(parts) or str(location[0])


async def _from_starlette(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type only
    message = {
        404: "There is nothing at this address.",
        405: "This address does not know that method.",
        413: "The body is too large.",
    }.get(error.status_code, HTTPStatus(error.status_code).phrase + ".")
    if error.status_code == 400:
        message = "The body cannot be read as JSON."
    if error.status_code == 408:  # not a status of the contract
        return answer(400, error_body("bad_input", "A body that comes at once was expected."), error.headers)
    return answer(error.status_code, error_body(code_of(error.status_code), message), error.headers)


async def _unreachable(_: Request, error: Exception) -> JSONResponse:
    log.warning("journal does not answer: %s", type(error).__name__)
    return answer(503, error_body("unavailable", "The journal does not answer. Alerts on this screen may be old."))


async def _surprise(_: Request, error: Exception) -> JSONResponse:
    log.error("unexpected error", exc_info=error)
    return answer(500, error_body("internal_error", "Something unexpected went wrong; the log says more."))
