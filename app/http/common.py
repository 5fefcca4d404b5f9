"""What the routes share: the service, the reader's language, the error format."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from app.messages import Language
from app.service import Service


class ErrorDetail(BaseModel):
    """An error: `code` for programs, `message` for people."""

    code: str
    message: str
    details: dict[str, Any]


class ErrorResponse(BaseModel):
    """The body of every answer with a status of 400 or more."""

    error: ErrorDetail


class _Utf8Request(Request):
    """A request whose JSON is text that can be stored and sent again."""

    async def json(self) -> Any:
        value = await super().json()
        # JSON can write halves of surrogate pairs ("\\ud800"), which no database and no answer takes.
        json.dumps(value, ensure_ascii=False).encode()
        return value


class Utf8Route(APIRoute):
    """A route that answers 400 to JSON with characters that do not exist."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, given our own kind of request."""
        handle = super().get_route_handler()

        async def handle_utf8(request: Request) -> Response:
            return await handle(_Utf8Request(request.scope, request.receive))

        return handle_utf8


def get_service(request: Request) -> Service:
    """The service that the application was made with."""
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(get_service)]


def request_language(request: Request) -> Language:
    """The first of Chinese and English that the client accepts; without a wish, the setting's."""
    for part in request.headers.get("accept-language", "").lower().split(","):
        tag = part.strip()[:2]
        if tag == "zh":
            return "zh"
        if tag == "en":
            return "en"
    setting = get_service(request).settings.language
    return "zh" if setting == "auto" else setting


LanguageDep = Annotated[Language, Depends(request_language)]
