"""The FastAPI application: routes, errors in one format, documentation from local files."""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from app.failures import KNOWN, Failure
from app.http import chunks, documents, health, jobs, knowledge_bases, models, openai, questions
from app.http.common import ErrorResponse, request_language
from app.messages import error_text
from app.service import Service

logger = logging.getLogger(__name__)

_HTTP_CODES = {404: "not_found", 405: "method_not_allowed"}


def create_app(service: Service, *, pages: bool) -> FastAPI:
    """The application over `service`; with `pages`, the browser pages are mounted at "/"."""
    app = FastAPIOffline(
        title="Zhiwen 知问",
        version=version("zhiwen"),
        description="Answers questions over your own documents. 基于您自己的文档回答问题。",
        redoc_url=None,  # its page loads fonts from outside
        responses={"default": {"model": ErrorResponse, "description": "Error"}},
    )
    app.state.service = service
    for module in (health, knowledge_bases, documents, chunks, jobs, questions, openai, models):
        app.include_router(module.router)
    for error in KNOWN:
        app.add_exception_handler(error, _known_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected_error)
    if pages:
        from app.pages.mount import mount_pages

        mount_pages(app, service)
    return app


async def _known_error(request: Request, error: Exception) -> JSONResponse:
    return _respond(Failure.of(error, request_language(request)))


async def _unexpected_error(request: Request, error: Exception) -> JSONResponse:
    logger.error("request failed", exc_info=error)
    return _respond(Failure.of(error, request_language(request)))


async def _invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for nothing else
    first: dict[str, Any] = error.errors()[0] if error.errors() else {"loc": (), "msg": ""}
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    reason = f"{where}: {first['msg']}" if where else str(first["msg"])
    message = error_text("invalid_request", request_language(request), reason, reason=reason)
    return _respond(Failure("invalid_request", message, 422, {"reason": reason}))


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    code = _HTTP_CODES.get(error.status_code, "invalid_request")
    message = error_text(code, request_language(request), str(error.detail), reason=error.detail)
    response = _respond(Failure(code, message, error.status_code, {}))
    response.headers.update(error.headers or {})
    return response


def _respond(failure: Failure) -> JSONResponse:
    headers = {"Retry-After": "5"} if failure.status == 429 else None
    return JSONResponse({"error": failure.body()}, status_code=failure.status, headers=headers)
