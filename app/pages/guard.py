"""What stands between the browser and Gradio: closed routes, headers, and our own page head."""

from __future__ import annotations

import re
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.pages.browser_id import new_cookie
from app.pages.language import language_of
from app.pages.scripts import RUN, head_html

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        # Gradio's templates are compiled in the browser, and its head holds inline scripts.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""The browser itself refuses every request to another host."""

_HEADERS = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-zhiwen-run", RUN.encode()),
]
_CLOSED = re.compile(
    r"/gradio_api/(file|proxy|deep_link|info|openapi|runs|run-history|vibe|undo-vibe|dev|custom_component"
    r"|component_server|process_recording|stream|call|run/|api/)|/(monitoring|pwa_icon|svelte|login|logout)"
)
"""Routes of Gradio that the pages do not use, among them those that serve files from the disk."""
_ADVERTISEMENT = re.compile(r'\s*<meta\s+(?:property="og:|name="twitter:)[^>]*>')
_HTML_LANGUAGES = {"zh": "zh-CN", "en": "en"}


class PageGuard:
    """ASGI middleware around the mounted pages.

    Gradio would add our style sheet and script only after its own; they are put into the page on
    its way out instead, so that nothing flashes and the language is settled first.
    """

    def __init__(self, app: ASGIApp, *, language: str, links: Callable[[], str]) -> None:
        self._app = app
        self._language = language
        self._links = links
        self._head = head_html(language)

    @classmethod
    def middleware(cls, language: str, links: Callable[[], str]) -> Middleware:
        """For `FastAPI(middleware=[…])`; `language` is the setting, `links` go to the page's head."""
        return Middleware(cls, language=language, links=links)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 404 on closed routes; add the headers, and the head to the page itself."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if _CLOSED.match(path):
            await PlainTextResponse("Not Found", status_code=404)(scope, receive, send)
            return
        start: Message = {}
        body = b""

        async def page(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if not message.get("more_body", False):
                body = self._with_head(body.decode(), scope).encode()
                headers = [pair for pair in start["headers"] if pair[0].lower() != b"content-length"]
                start["headers"] = [*headers, *_HEADERS, (b"content-length", str(len(body)).encode())]
                if cookie := new_cookie(Headers(scope=scope)):
                    start["headers"].append((b"set-cookie", cookie.encode()))
                await send(start)
                await send({"type": "http.response.body", "body": body})

        async def other(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        await self._app(scope, receive, page if path in ("", "/") else other)

    def _with_head(self, html: str, scope: Scope) -> str:
        language = language_of(Headers(scope=scope), self._language)
        html = _ADVERTISEMENT.sub("", html).replace('lang="en"', f'lang="{_HTML_LANGUAGES[language]}"', 1)
        html = html.replace("<script", self._links() + "<script", 1)
        return html.replace("</head>", self._head + "</head>", 1)
