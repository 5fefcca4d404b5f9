"""Answers as server-sent events."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

from fastapi.concurrency import iterate_in_threadpool
from fastapi.responses import StreamingResponse

from app import schemas
from app.answering.types import Event, Final, Sources, Token, Waiting
from app.failures import KNOWN, Failure
from app.messages import Language

logger = logging.getLogger(__name__)

_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def event_stream(events: Iterator[Event], language: Language) -> StreamingResponse:
    """Send the events of an answer as they come; a failure is sent as the event `error`."""
    return stream(events, _encode, lambda failure: message("error", {"error": failure.body()}), language)


def stream(
    events: Iterator[Event],
    encode: Callable[[Event], str],
    encode_failure: Callable[[Failure], str],
    language: Language,
) -> StreamingResponse:
    """Send `events`, each as `encode` writes it."""

    def encoded() -> Generator[str, None, None]:
        try:
            for event in events:
                yield encode(event)
        except Exception as error:
            if not isinstance(error, KNOWN):
                logger.exception("streamed answer failed")
            yield encode_failure(Failure.of(error, language))

    async def closing() -> AsyncIterator[str]:
        generator = encoded()
        try:
            async for text in iterate_in_threadpool(generator):
                yield text
        finally:
            # A client that left must not leave a generation behind.
            generator.close()

    return StreamingResponse(closing(), media_type="text/event-stream", headers=_HEADERS)


def message(event: str, data: dict[str, Any]) -> str:
    """One server-sent event."""
    return f"event: {event}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def _encode(event: Event) -> str:
    if isinstance(event, Sources):
        citations = [schemas.Citation.model_validate(c).model_dump(mode="json") for c in event.citations]
        return message("sources", {"citations": citations})
    if isinstance(event, Token):
        return message("token", {"text": event.text})
    if isinstance(event, Waiting):
        return message("waiting", {"position": event.position})
    assert isinstance(event, Final)  # noqa: S101 - there is no fifth event
    return message("final", schemas.answer(event.answer).model_dump(mode="json"))
