"""What the present work is about, for the log: ids of job, request and the like, never names or text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_CONTEXT: ContextVar[Mapping[str, str]] = ContextVar("log_context", default={})  # noqa: B039 - never changed


def current() -> Mapping[str, str]:
    """The ids that hold here."""
    return _CONTEXT.get()


@contextmanager
def about(**ids: str) -> Iterator[None]:
    """Whatever is logged inside is about these too."""
    token = _CONTEXT.set({**_CONTEXT.get(), **ids})
    try:
        yield
    finally:
        _CONTEXT.reset(token)
