"""Who asks: the key of a request, in its header or in the cookie of the pages' login."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import KeyNeededError, TooManyRequestsError
from app.http.asking import set_access
from app.http.errors import error_response
from app.http.key_guesses import KeyGuesses
from app.rights import EVERYTHING, Access
from app.service import Service

COOKIE = "zhiwen_key"

_OPEN = ("/healthz", "/readyz", "/login", "/docs", "/openapi.json", "/static-offline-docs")
"""What tells nothing of any document: whether the service lives, and how it is used."""


def given_key(scope: Scope) -> str:
    """The secret that a request carries; empty without one."""
    headers = Headers(scope=scope)
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and value.strip():
        return value.strip()
    return headers.get("x-api-key") or HTTPConnection(scope).cookies.get(COOKIE, "")


def address_of(scope: Scope) -> str | None:
    """The address of the client, as far as there is one."""
    client = scope.get("client")
    return client[0] if client else None


def access_by(service: Service, secret: str) -> Access | None:
    """What a secret opens: everything, with or without one, as long as no key was made."""
    if not service.keys.needed():
        return EVERYTHING
    key = service.keys.check(secret)
    return None if key is None else Access.of(key)


class KeyGuard:
    """ASGI middleware that notes who asks, and turns away who has no key where one is needed."""

    def __init__(self, app: ASGIApp, *, service: Service, guesses: KeyGuesses) -> None:
        self._app = app
        self._service = service
        self._guesses = guesses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401, 429 where too many keys are tried, or show the login to a browser."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        refusal: Response | None = None
        access = None
        try:
            access = self._guesses.access(address_of(scope), given_key(scope))
        except TooManyRequestsError as error:
            refusal = error_response(scope, error, self._service.settings)
        if access is not None:
            set_access(scope, access)
        elif not _is_open(scope["path"]):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            await (refusal or self._turned_away(scope))(scope, receive, send)
            return
        await self._app(scope, receive, _uncached(send) if access and access.key_id else send)

    def _turned_away(self, scope: Scope) -> Response:
        if scope["method"] == "GET" and scope["path"] == "/":
            return RedirectResponse("/login", status_code=303)
        return error_response(scope, KeyNeededError("the request carries no key"), self._service.settings)


def _is_open(path: str) -> bool:
    return any(path == each or path.startswith(f"{each}/") for each in _OPEN)


def _uncached(send: Send) -> Send:
    """What one key was shown is not kept for another."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).add_vary_header("Authorization")
            MutableHeaders(scope=message).add_vary_header("Cookie")
        await send(message)

    return sending
