"""What the routes share: the service, the reader's language, the error format."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from pydantic import Field

from app.errors import UnreadableTextError
from app.http.asking import access_of, wished_language
from app.messages import Language
from app.rights import for_access
from app.service import Service

MOST = (1 << 63) - 1
"""What SQLite can count to."""

RowId = Annotated[int, Field(ge=0, le=MOST)]
"""The number of a chunk or of an edit."""


class _Utf8Request(Request):
    """A request whose JSON is text that can be stored and sent again."""

    async def json(self) -> Any:
        try:
            value = await super().json()
            # JSON can write halves of surrogate pairs ("\\ud800"), which no database and no answer takes.
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeDecodeError as error:
            where = f"0x{error.object[error.start]:02x} @ {error.start}"
            raise UnreadableTextError(f"the body is not {error.encoding}: {where}", where=where) from error
        except UnicodeEncodeError as error:
            where = f"\\u{ord(error.object[error.start]):04x}"
            raise UnreadableTextError(f"the body holds half a character: {where}", where=where) from error
        except RecursionError as error:
            raise UnreadableTextError("the body is nested too deeply", where="[[[[") from error
        return value


class Utf8Route(APIRoute):
    """A route that takes no JSON with characters that do not exist."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, given our own kind of request."""
        handle = super().get_route_handler()

        async def handle_utf8(request: Request) -> Response:
            return await handle(_Utf8Request(request.scope, request.receive))

        return handle_utf8


def get_service(request: Request) -> Service:
    """The service as the request's key allows it."""
    return for_access(request.app.state.service, access_of(request.scope))


def whole_service(request: Request) -> Service:
    """The service itself, for what tells nothing of any document."""
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(get_service)]


def request_language(request: Request) -> Language:
    """The first of Chinese and English that the client accepts; without a wish, the setting's."""
    return wished_language(request.headers, request.app.state.service.settings.language)


WholeServiceDep = Annotated[Service, Depends(whole_service)]
LanguageDep = Annotated[Language, Depends(request_language)]
