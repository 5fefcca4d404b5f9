"""Every request under an id: in the log, in its answer, in the figures; and none ends without an answer."""

from __future__ import annotations

import logging
import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.asking import METHODS, set_request_id, set_started
from app.http.errors import error_response
from app.http.metrics import Metrics
from app.settings import Settings
from knowledge_base import log_context

logger = logging.getLogger(__name__)

HEADER = "X-Request-ID"
_GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestLog:
    """ASGI middleware, the outermost. What is logged of an address is its route, without names."""

    def __init__(self, app: ASGIApp, *, settings: Settings, metrics: Metrics) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on under its id; whatever is raised becomes an answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if _GIVEN.fullmatch(given) else secrets.token_hex(8)
        set_request_id(scope, request_id)
        status = 0
        start = time.perf_counter()
        set_started(scope, start)

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        with log_context.about(request=request_id):
            try:
                await self._app(scope, receive, sending)
            except ClientDisconnect:
                status = status or 499
            except Exception as error:
                if status:  # too late for another answer
                    logger.exception("answer broken off")
                else:
                    await error_response(scope, error, self._settings)(scope, receive, sending)
            finally:
                self._note(scope, status, time.perf_counter() - start)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None) or "other"
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.seconds.labels(method, route).observe(seconds)
        logger.info("%s %s %d %.1f ms", method, route, status, seconds * 1000)
