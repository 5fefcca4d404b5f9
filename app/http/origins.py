"""Which hosts are ours, which web pages may send requests, and what browsers may do with the answers."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import ForeignHostError
from app.http.errors import error_response
from app.service import Service

_HARMLESS = {"GET", "HEAD", "OPTIONS"}
_OWN_NAMES = {"localhost"}

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Without any referrer a browser sends its forms as if from nowhere, and the login would be refused.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_NOTHING = "default-src 'none'; frame-ancestors 'none'; sandbox"
_POLICIES = {
    # Both hold a style or script of their own, written by us.
    "/docs": "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; frame-ancestors 'none'",
    "/login": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
}
_NO_STORE = ("/api/", "/v1/")


class OriginGuard:
    """ASGI middleware against other web pages in the same browser.

    A page that rebinds its name to this address still names itself in `Host`; addresses in numbers
    cannot be rebound. Where keys are needed the name does not matter, because a browser gives the
    key to nobody else's name.
    """

    def __init__(self, app: ASGIApp, *, service: Service) -> None:
        self._app = app
        self._service = service
        server = service.settings.server
        self._hosts = {*_OWN_NAMES, server.host.lower(), *(host.lower() for host in server.allowed_hosts)}
        self._origins = {origin.lower().rstrip("/") for origin in server.allowed_origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 to what comes under a foreign name or from a foreign page."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        foreign = self._foreign(scope, headers)
        if foreign is not None and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif foreign is not None:
            error = ForeignHostError("the request comes from elsewhere", host=foreign)
            await error_response(scope, error, self._service.settings)(
                scope, receive, _with_headers(scope, send)
            )
        else:
            await self._app(scope, receive, _with_headers(scope, send))

    def _foreign(self, scope: Scope, headers: Headers) -> str | None:
        host = headers.get("host", "")
        if not self._service.keys.needed() and not self._is_ours(host):
            return host
        if scope["type"] == "http" and scope["method"] in _HARMLESS:
            return None
        origin = headers.get("origin")
        if origin is None:  # not a browser, or one so old that it sends none
            return "cross-site" if headers.get("sec-fetch-site") == "cross-site" else None
        try:
            same = urlsplit(origin).netloc.lower() == host.lower() and bool(host)
        except ValueError:  # no address at all
            return origin
        return None if same or origin.lower() in self._origins else origin

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name.rstrip(".") in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _with_headers(scope: Scope, send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            path = scope["path"]
            policy = next(
                (p for at, p in _POLICIES.items() if path == at or path.startswith(f"{at}/")), _NOTHING
            )
            headers.setdefault("Content-Security-Policy", policy)
            if path.startswith(_NO_STORE):
                headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sending
