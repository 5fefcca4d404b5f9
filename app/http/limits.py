"""How much and how fast a client may send."""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import RequestTimeoutError, RequestTooLargeError, TooManyRequestsError
from app.http.asking import access_of
from app.http.errors import error_response
from app.settings import LimitSettings, Settings

_MOST_BUCKETS = 10_000
_IMPORT = "POST /api/knowledge-bases/import"
_LOGIN = "POST /login"
_UPLOADS = re.compile(
    "POST /api/knowledge-bases/[^/]+/documents"
    "|PUT /api/knowledge-bases/[^/]+/documents/[^/]+"
    "|POST /api/sessions/[^/]+/files"
    "|POST /gradio_api/upload"
)
"""The requests whose bodies go to the disk; all others are read into memory."""
_FRAME = 1 << 20
"""What a multipart body may hold around its file."""
_LOGIN_BYTES = 64 << 10
"""A key is short, and whoever has none may send it."""


class RequestRate:
    """Counts requests by key: a bucket that holds those of a minute and fills again steadily."""

    def __init__(self, per_minute: int) -> None:
        self._most = float(per_minute)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, key_id: str) -> float:
        """Count a request; seconds until it would be allowed, 0 when it is."""
        at = time.monotonic()
        left, since = self._buckets.pop(key_id, (self._most, at))
        left = min(self._most, left + (at - since) * self._most / 60)
        allowed = left >= 1
        self._buckets[key_id] = (left - allowed, at)
        if len(self._buckets) > _MOST_BUCKETS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - left) * 60 / self._most


class RequestLimits:
    """ASGI middleware, behind the one that tells who asks: requests a minute, size and pace of bodies."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._rate = RequestRate(settings.limits.requests_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 429 to too many requests; the body is watched while it comes in."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        key_id = _key_id(scope)
        wait = self._rate.wait(key_id) if key_id else 0.0
        if wait:
            error = TooManyRequestsError("too many requests a minute", retry_after=int(wait) + 1)
            await error_response(scope, error, self._settings)(scope, receive, send)
            return
        await self._app(scope, self._watched(scope, receive), send)

    def _watched(self, scope: Scope, receive: Receive) -> Receive:
        limits = self._settings.limits
        limit, maximum = body_limit(scope, limits)
        received, complete = 0, False

        async def receiving() -> Message:
            nonlocal received, complete
            if complete:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), limits.body_seconds)
            except asyncio.TimeoutError as error:
                raise RequestTimeoutError("the body came too slowly", seconds=limits.body_seconds) from error
            received += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if received > maximum:
                raise RequestTooLargeError(
                    f"the body has more than {maximum} bytes", limit=limit, maximum=maximum
                )
            return message

        return receiving


def body_limit(scope: Scope, limits: LimitSettings) -> tuple[str, int]:
    """The name of the limit to a request's body, and its bytes; what type the body claims does not count."""
    request = f"{scope['method']} {scope['path']}"
    if request == _IMPORT:
        # A whole knowledge base has a limit of its own, to which its route holds the file.
        return "package_bytes", limits.package_bytes + _FRAME
    if _UPLOADS.fullmatch(request):
        return "upload_bytes", limits.upload_bytes
    if request == _LOGIN:
        return "request_bytes", min(limits.request_bytes, _LOGIN_BYTES)
    return "request_bytes", limits.request_bytes


def _key_id(scope: Scope) -> str | None:
    try:
        return access_of(scope).key_id
    except Exception:  # nobody: turned away, or at a page open to all
        return None
