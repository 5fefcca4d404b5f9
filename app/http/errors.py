"""Errors as answers: one format for all of them, wherever they arise."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.routing import Match, Mount
from starlette.types import Scope

from app.failures import KNOWN, Failure
from app.http.asking import METHODS, request_id_of, scope_access, started_of, wished_language
from app.messages import Language, error_text
from app.settings import Settings

logger = logging.getLogger(__name__)

_HTTP_CODES = {404: "not_found", 405: "method_not_allowed"}
_GRID_SECONDS = 0.025
"""Answers of 404 to a key come after a multiple of this."""
_RETRY_SECONDS = {429: "5", 503: "10"}


def error_response(scope: Scope, error: Exception, settings: Settings) -> JSONResponse:
    """The answer to a request that ended with `error`; a defect is logged."""
    if not isinstance(error, KNOWN):
        logger.error("request failed", exc_info=error)
    return _respond(scope, Failure.of(error, _language(scope, settings)))


def error_body(failure: Failure, scope: Scope) -> dict[str, Any]:
    """The body of an error, with the request's id where it has one."""
    request_id = request_id_of(scope)
    return {"error": {**failure.body(), **({"request_id": request_id} if request_id else {})}}


def handle_errors(app: FastAPI, settings: Settings) -> None:
    """Have `app` answer errors in the one format."""

    async def known(request: Request, error: Exception) -> JSONResponse:
        response = error_response(request.scope, error, settings)
        if response.status_code == HTTPStatus.NOT_FOUND:
            await _hide_time(request.scope)
        return response

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for nothing else
        first: dict[str, Any] = error.errors()[0] if error.errors() else {"loc": (), "msg": ""}
        where = ".".join(str(part) for part in first["loc"] if part != "body")
        reason = f"{where}: {first['msg']}" if where else str(first["msg"])
        return _http(request.scope, settings, "invalid_request", 422, reason)

    async def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
        if isinstance(error.__cause__, KNOWN):
            # FastAPI turns whatever is raised while a body is read into a 400 without a reason.
            return error_response(request.scope, error.__cause__, settings)
        code = _HTTP_CODES.get(error.status_code, "invalid_request")
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(sorted(_methods_at(request)))
        return _http(request.scope, settings, code, error.status_code, str(error.detail), headers)

    for kind in KNOWN:
        app.add_exception_handler(kind, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


async def _hide_time(scope: Scope) -> None:
    """Wait until time does not tell a key what is hidden from it from what does not exist.

    What is hidden has to be found before it can be; that takes some tenths of a millisecond.
    """
    access, started = scope_access(scope), started_of(scope)
    if access is not None and access.key_id is not None and started is not None:
        await asyncio.sleep((started - time.perf_counter()) % _GRID_SECONDS)


def _methods_at(request: Request) -> set[str]:
    """The methods of all routes at an address; the framework names those of the first one only."""
    routes = [route for route in request.app.router.routes if not isinstance(route, Mount)]

    def answered(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in routes)

    return {method for method in METHODS if answered(method)}


def _http(
    scope: Scope,
    settings: Settings,
    code: str,
    status: int,
    reason: str,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    # What a client sent comes back in the reason: halves of characters have to be made readable.
    reason = reason.encode("utf-8", "backslashreplace").decode()
    message = error_text(code, _language(scope, settings), reason, reason=reason)
    details = {"reason": reason} if code == "invalid_request" else {}
    return _respond(scope, Failure(code, message, status, details), headers)


def _language(scope: Scope, settings: Settings) -> Language:
    return wished_language(Headers(scope=scope), settings.language)


def _respond(scope: Scope, failure: Failure, headers: Mapping[str, str] | None = None) -> JSONResponse:
    added = dict(headers or {})
    if failure.status in _RETRY_SECONDS:
        added["Retry-After"] = str(failure.details.get("retry_after", _RETRY_SECONDS[failure.status]))
    if failure.status == HTTPStatus.UNAUTHORIZED:
        added["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error_body(failure, scope), status_code=failure.status, headers=added)
