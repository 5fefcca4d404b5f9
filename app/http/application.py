"""The FastAPI application: routes, what every request passes on its way, documentation from local files."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi_offline import FastAPIOffline

from app.http import (
    chunks,
    documents,
    health,
    jobs,
    knowledge_bases,
    login,
    metrics,
    models,
    openai,
    questions,
    session_files,
    sessions,
    transfer,
)
from app.http.authentication import KeyGuard
from app.http.errors import handle_errors
from app.http.generations import Generations
from app.http.key_guesses import KeyGuesses
from app.http.limits import RequestLimits
from app.http.metrics import Metrics
from app.http.origins import OriginGuard
from app.http.request_log import RequestLog
from app.replies import ErrorResponse
from app.service import Service

_MODULES = (
    health,
    metrics,
    knowledge_bases,
    transfer,
    documents,
    chunks,
    jobs,
    questions,
    sessions,
    session_files,
    openai,
    models,
    login,
)
_EMBEDDINGS_AT_ONCE = 4
"""Each keeps a thread and the processors busy; other requests need some too."""


def create_app(service: Service, *, pages: bool) -> FastAPI:
    """The application over `service`; with `pages`, the browser pages are mounted at "/"."""
    app = FastAPIOffline(
        title="Zhiwen 知问",
        version=version("zhiwen"),
        description="Answers questions over your own documents. 基于您自己的文档回答问题。",
        redirect_slashes=False,  # an address with a slash too many is another one
        redoc_url=None,  # its page loads fonts from outside
        responses={"default": {"model": ErrorResponse, "description": "Error"}},
    )
    app.state.service = service
    app.state.leaving = lambda: None
    settings = service.settings
    limits = settings.limits
    slots = partial(Generations, waiting=limits.waiting_generations, patience=limits.generation_wait_seconds)
    app.state.generations = slots(at_once=limits.generations)
    app.state.embeddings = slots(at_once=_EMBEDDINGS_AT_ONCE)
    app.state.key_guesses = KeyGuesses(service, per_minute=limits.keys_tried_per_minute)
    app.state.metrics = Metrics(service, app.state.generations)
    for module in _MODULES:
        app.include_router(module.router)
    handle_errors(app, settings)
    # The last one added is the first to see a request.
    app.add_middleware(RequestLimits, settings=settings)
    app.add_middleware(KeyGuard, service=service, guesses=app.state.key_guesses)
    app.add_middleware(OriginGuard, service=service)
    if settings.server.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.server.allowed_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key", "X-Request-ID"],
        )
    app.add_middleware(RequestLog, settings=settings, metrics=app.state.metrics)
    if pages:
        from app.pages.mount import mount_pages

        mount_pages(app, service)
    return app
