"""The events of a streamed answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pydantic import BaseModel

from app.client.errors import BrokenStreamError
from app.replies import ErrorResponse
from app.schemas import Answer, Citation


@dataclass(frozen=True, slots=True)
class Sources:
    """The passages that the answer may cite."""

    citations: list[Citation]


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many requests the model answers before this one."""

    position: int


@dataclass(frozen=True, slots=True)
class Token:
    """The next piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Final:
    """The whole answer; nothing comes after it."""

    answer: Answer


StreamEvent = Sources | Waiting | Token | Final


class _Sources(BaseModel):
    citations: list[Citation]


class _Waiting(BaseModel):
    position: int


class _Token(BaseModel):
    text: str


_READ: dict[str, Callable[[str], StreamEvent]] = {
    "sources": lambda data: Sources(_Sources.model_validate_json(data).citations),
    "waiting": lambda data: Waiting(_Waiting.model_validate_json(data).position),
    "token": lambda data: Token(_Token.model_validate_json(data).text),
    "final": lambda data: Final(Answer.model_validate_json(data)),
}


def read_events(lines: Iterable[str]) -> Iterator[StreamEvent]:
    """The events in the lines of a stream; comments, and events of later versions, are passed over.

    The format is that of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html),
    as far as the service uses it. Raises `BrokenStreamError` for an event `error`, and when the
    stream ends without `Final`.
    """
    for name, data in _messages(lines):
        if name == "error":
            told = ErrorResponse.model_validate_json(data).error
            raise BrokenStreamError(
                told.message, code=told.code, details=told.details, request_id=told.request_id
            )
        if name in _READ:
            event = _READ[name](data)
            yield event
            if isinstance(event, Final):
                return
    raise BrokenStreamError("the stream ended before the answer did", code="unreachable")


def _messages(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    name = ""
    data: list[str] = []
    for line in lines:
        field, _, value = line.partition(":")
        if not line:
            if data:
                yield name, "\n".join(data)
            name, data = "", []
        elif field == "event":
            name = value.removeprefix(" ")
        elif field == "data":
            data.append(value.removeprefix(" "))
