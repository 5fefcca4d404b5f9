"""Putting the pages beside the HTTP interface."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.pages.scripts import head_html
from app.service import Service

if TYPE_CHECKING:
    from fastapi import FastAPI

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

_CLOSED = tuple(
    f"/gradio_api/{name}"
    for name in (
        "file",
        "proxy",
        "deep_link",
        "info",
        "openapi.json",
        "runs",
        "run-history",
        "vibe",
        "dev",
        "custom_component",
        "process_recording",
        "stream",
    )
)
"""Routes of Gradio that the pages do not use, among them those that serve files from the disk."""


def mount_pages(api: FastAPI, service: Service) -> FastAPI:
    """Mount the pages at "/" behind the routes that `api` already has, and return `api`."""
    uploads = service.settings.data_dir.resolve() / "tmp"
    uploads.mkdir(parents=True, exist_ok=True)
    # Gradio reads these when it is imported and when components are made.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import gradio as gr

        from app.pages.layout import build_blocks, labels

    fonts = ["system-ui", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif"]
    label = labels()
    gr.mount_gradio_app(
        api,
        build_blocks(service, label),
        path="/",
        app_kwargs={"middleware": [Middleware(PageGuard)]},
        theme=gr.themes.Default(
            primary_hue="teal", secondary_hue="teal", font=fonts, font_mono=["ui-monospace", "monospace"]
        ),
        head=head_html(service.settings.language),
        i18n=label,
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        allowed_paths=[],
        max_file_size=service.settings.limits.file_bytes,
    )
    return api


class PageGuard:
    """Closes what the pages do not need, and forbids the browser to contact other hosts."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 404 on closed routes; add the headers to everything else."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"].removeprefix(scope.get("root_path", "")).startswith(_CLOSED):
            await PlainTextResponse("Not Found", status_code=404)(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message.setdefault("headers", [])
                message["headers"] += [
                    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                ]
            await send(message)

        await self._app(scope, receive, guarded)
