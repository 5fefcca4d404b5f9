"""Routes of search and answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app import schemas
from app.answering.types import Mode, Turn
from app.http.common import ServiceDep, Utf8Route, request_language
from app.http.events import event_stream

router = APIRouter(prefix="/api", tags=["questions"], route_class=Utf8Route)

TopK = Annotated[int | None, Field(ge=1, le=100)]
Threshold = Annotated[float | None, Field(ge=0, le=1, allow_inf_nan=False)]


class SearchRequest(BaseModel):
    """A search. `threshold` is the least relevance; unset, the calibrated one counts."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"query": "年假有几天", "knowledge_bases": ["制度"]}]}
    )

    query: str
    knowledge_bases: list[str] = Field(min_length=1, max_length=100)
    top_k: TopK = None
    threshold: Threshold = None
    document_ids: list[str] | None = Field(None, max_length=1000)
    neighbours: bool | None = None


class SearchResponse(BaseModel):
    """What a search found, best first.

    `unreadable` counts passages left out because the catalogue is damaged where they stand.
    """

    hits: list[schemas.Hit]
    unreadable: int = 0


class HistoryTurn(BaseModel):
    """An earlier question with its answer."""

    model_config = ConfigDict(extra="forbid")

    question: str
    answer: str = ""


class HistoryMessage(BaseModel):
    """An earlier message, as chat interfaces keep them."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["user", "assistant"]
    content: str


class AskRequest(BaseModel):
    """A question. `history` is a list of turns or of messages, oldest first."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"question": "年假有几天？", "knowledge_bases": ["制度"], "stream": False}]
        },
    )

    question: str
    mode: Mode = "documents"
    knowledge_bases: list[str] = Field(default_factory=list, max_length=100)
    history: list[HistoryTurn | HistoryMessage] = Field(default_factory=list, max_length=200)
    top_k: TopK = None
    threshold: Threshold = None
    model: str | None = None
    neighbours: bool | None = None
    stream: bool = False

    @model_validator(mode="after")
    def _sources_fit_the_mode(self) -> AskRequest:
        if (self.mode == "documents") != bool(self.knowledge_bases):
            raise ValueError("knowledge_bases: 1 to 100 names over documents, none in a chat without them")
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
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
def ask(body: AskRequest, request: Request, service: ServiceDep) -> schemas.Answer | StreamingResponse:
    """Answer a question, with `stream` as the events sources, token and final, or error."""
    events = service.ask_stream(
        body.question,
        body.knowledge_bases,
        history=turns(body.history),
        top_k=body.top_k,
        threshold=body.threshold,
        model=body.model,
        neighbours=body.neighbours,
        mode=body.mode,
    )
    if body.stream:
        return event_stream(events, request_language(request))
    return schemas.final_answer(events)


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
