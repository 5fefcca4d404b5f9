"""Routes of search and answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app import schemas, session_answers
from app.answering.types import Event, Mode, Turn
from app.errors import NoSourcesError
from app.http.common import ServiceDep, Utf8Route
from app.http.drawing import all_drawn
from app.http.events import EVENT_STREAM, event_stream
from app.http.generations import GenerationSlot
from app.http.metrics import observed_by
from app.http.session_files import files_of
from app.replies import SearchResponse
from app.service import Service

router = APIRouter(prefix="/api", tags=["questions"], route_class=Utf8Route)

TopK = Annotated[int | None, Field(ge=1, le=100)]
Threshold = Annotated[float | None, Field(ge=0, le=1, allow_inf_nan=False)]


AskMode = Literal["documents", "chat", "files"]
"""`Mode`, or: over the files of the conversation alone."""


class SearchRequest(BaseModel):
    """A search. `threshold` is the least relevance; unset, the calibrated one counts."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"query": "年假有几天", "knowledge_bases": ["制度"]}]},
    )

    query: str
    knowledge_bases: list[str] = Field(min_length=1, max_length=100)
    top_k: TopK = None
    threshold: Threshold = None
    document_ids: list[str] | None = Field(None, max_length=1000)
    neighbours: bool | None = None


class HistoryTurn(BaseModel):
    """An earlier question with its answer."""

    model_config = ConfigDict(extra="forbid", strict=True)

    question: str
    answer: str = ""


class HistoryMessage(BaseModel):
    """An earlier message, as chat interfaces keep them."""

    model_config = ConfigDict(extra="forbid", strict=True)

    role: Literal["user", "assistant"]
    content: str


class AskRequest(BaseModel):
    """A question. `history` is a list of turns or of messages, oldest first; `session_id` takes its place."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [{"question": "年假有几天？", "knowledge_bases": ["制度"], "stream": False}]
        },
    )

    question: str
    mode: AskMode = "documents"
    knowledge_bases: list[str] = Field(default_factory=list, max_length=100)
    history: list[HistoryTurn | HistoryMessage] = Field(default_factory=list, max_length=200)
    session_id: str | None = None
    top_k: TopK = None
    threshold: Threshold = None
    model: str | None = None
    neighbours: bool | None = None
    stream: bool = False

    @model_validator(mode="after")
    def _sources_fit_the_mode(self) -> AskRequest:
        if self.session_id is not None and self.history:
            raise ValueError("history, or session_id, whose history the server keeps")
        if self.mode == "files":
            if self.session_id is None:
                raise ValueError("session_id: the conversation whose files are asked")
            fits = not self.knowledge_bases
        elif self.session_id is None or self.mode == "chat":
            fits = (self.mode == "documents") == bool(self.knowledge_bases)
        else:  # those of the session
            fits = True
        if not fits:
            raise ValueError("knowledge_bases: 1 to 100 names over documents, none with other modes")
        return self


@router.post("/search")
def search(body: SearchRequest, service: ServiceDep) -> SearchResponse:
    """The best passages, best first; none is a good answer too."""
    found = service.retrieve(
        body.query,
        body.knowledge_bases,
        top_k=body.top_k,
        threshold=body.threshold,
        document_ids=body.document_ids,
        neighbours=body.neighbours,
    )
    return SearchResponse(hits=[schemas.hit(hit) for hit in found.hits], unreadable=found.unreadable)


@router.post(
    "/ask",
    response_model=schemas.Answer,
    responses={200: {"content": EVENT_STREAM}},
)
async def ask(
    body: AskRequest, request: Request, service: ServiceDep, _: GenerationSlot
) -> schemas.Answer | StreamingResponse:
    """Answer a question, with `stream` as the events sources, token and final, or error."""
    events = observed_by(request)(await run_in_threadpool(_events, body, service))
    if body.stream:
        return event_stream(events, request)
    return schemas.final_answer(iter(await all_drawn(events, request)))


def _events(body: AskRequest, service: Service) -> Iterator[Event]:
    names, history = body.knowledge_bases, turns(body.history)
    if body.session_id is not None:
        history = session_answers.history(service.sessions, None, body.session_id)
        if body.mode == "files":
            names = [files_of(service, body.session_id)]
        elif not names and body.mode == "documents":
            names = list(service.sessions.session(None, body.session_id).knowledge_bases)
    mode: Mode = "chat" if body.mode == "chat" else "documents"
    if mode == "documents" and not names:
        raise NoSourcesError("a question over documents names 1 to 100 knowledge bases")
    events = service.ask_stream(
        body.question,
        names,
        history=history,
        top_k=body.top_k,
        threshold=body.threshold,
        model=body.model,
        neighbours=body.neighbours,
        mode=mode,
    )
    if body.session_id is None:
        return events
    return session_answers.kept(events, service.sessions, None, body.session_id, body.question)


def turns(history: Sequence[HistoryTurn | HistoryMessage]) -> list[Turn]:
    """Turns from either form; an answer without a question before it is passed over."""
    found: list[Turn] = []
    for item in history:
        if isinstance(item, HistoryTurn):
            found.append(Turn(item.question, item.answer))
        elif item.role == "user":
            found.append(Turn(item.content, ""))
        elif found:
            found[-1] = Turn(found[-1].question, item.content)
    return found
