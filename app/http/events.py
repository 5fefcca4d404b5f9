"""Answers as server-sent events."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from fastapi import Request
from fastapi.responses import StreamingResponse

from app import schemas
from app.answering.types import Event, Final, Sources, Token, Waiting
from app.failures import KNOWN, Failure
from app.http.common import request_language
from app.http.drawing import drawn
from app.http.errors import error_body

logger = logging.getLogger(__name__)

_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
_LOOK_SECONDS = 0.25
_BEAT_SECONDS = 10.0
EVENT_STREAM: dict[str, Any] = {
    "text/event-stream": {
        "schema": {
            "type": "object",
            "description": "One server-sent event",
            "properties": {
                "event": {"type": "string"},
                "data": {"type": "string", "contentMediaType": "application/json"},
            },
            "required": ["data"],
        }
    }
}
"""What a streamed answer is, for the description of its route."""
_LINE_ENDS = {ord(end): f"\\u{ord(end):04x}" for end in "\u0085\u2028\u2029"}
"""What many clients take for the end of a line, and JSON does not have to escape."""
_HEARTBEAT = ": waiting\n\n"
"""A comment, which clients pass over; it keeps proxies from closing a stream that is silent."""


def event_stream(events: Iterator[Event], request: Request) -> StreamingResponse:
    """Send the events of an answer as they come; a failure is sent as the event `error`."""
    return stream(events, _encode, lambda error: message("error", error), request)


def stream(
    events: Iterator[Event],
    encode: Callable[[Event], str],
    encode_error: Callable[[dict[str, Any]], str],
    request: Request,
) -> StreamingResponse:
    """Send `events`, each as `encode` writes it, until the end or until the client has left."""

    async def encoded() -> AsyncIterator[str]:
        silent = 0.0
        try:
            async for event in drawn(events, beat=_LOOK_SECONDS):
                if event is not None:
                    silent = 0.0
                    yield encode(event)
                    continue
                silent += _LOOK_SECONDS
                if await request.is_disconnected():
                    return
                if silent >= _BEAT_SECONDS:
                    silent = 0.0
                    yield _HEARTBEAT
        except Exception as error:
            if not isinstance(error, KNOWN):
                logger.exception("streamed answer failed")
            yield encode_error(error_body(Failure.of(error, request_language(request)), request.scope))

    return StreamingResponse(encoded(), media_type="text/event-stream", headers=_HEADERS)


def message(event: str, data: dict[str, Any]) -> str:
    """One server-sent event."""
    return f"event: {event}\n{data_line(data)}\n\n"


def data_line(data: dict[str, Any]) -> str:
    """The data of a server-sent event: JSON on what every client takes for one line."""
    return f"data: {json.dumps(data, ensure_ascii=False).translate(_LINE_ENDS)}"


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
