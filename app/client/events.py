"""The events of a streamed answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from app.client.errors import BrokenStreamError
from app.replies import ErrorDetail, ErrorResponse
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
    as far as the service uses it. Raises `BrokenStreamError` for an event `error`, for one that cannot
    be read, and when the stream ends without `Final`.
    """
    for name, data in _messages(lines):
        try:
            if name == "error":
                raise _broken(ErrorResponse.model_validate_json(data).error)
            event = _READ[name](data) if name in _READ else None
        except ValidationError as error:
            raise BrokenStreamError(f"the event {name!r} cannot be read", code="unreachable") from error
        if event is not None:
            yield event
            if isinstance(event, Final):
                return
    raise BrokenStreamError("the stream ended before the answer did", code="unreachable")


def _broken(told: ErrorDetail) -> BrokenStreamError:
    return BrokenStreamError(told.message, code=told.code, details=told.details, request_id=told.request_id)


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
