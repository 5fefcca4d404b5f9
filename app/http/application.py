"""The FastAPI application: routes, what every request passes on its way, documentation from local files."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from app.http import (
    chunks,
    documents,
    health,
    jobs,
    knowledge_bases,
    login,
    models,
    openai,
    questions,
    transfer,
)
from app.http.authentication import KeyGuard
from app.http.common import ErrorResponse
from app.http.errors import handle_errors
from app.service import Service


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
    for module in (
        health,
        knowledge_bases,
        transfer,
        documents,
        chunks,
        jobs,
        questions,
        openai,
        models,
        login,
    ):
        app.include_router(module.router)
    handle_errors(app, service.settings)
    # The last one added is the first to see a request.
    app.add_middleware(KeyGuard, service=service)
    if pages:
        from app.pages.mount import mount_pages

        mount_pages(app, service)
    return app
