"""The JSON that the command line prints and the HTTP interface answers with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict

from app.answering import types as answering
from app.examples import with_example
from app.failures import problem_text
from app.messages import Language, error_text
from knowledge_base import types as domain
from knowledge_base.chunk_editing import StoredChunk
from knowledge_base.ingestion import IngestedFile
from loaders import document as loaded


def _in_utc(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=timezone.utc)


Time = Annotated[datetime, AfterValidator(_in_utc)]
"""A time with its offset; the catalogue keeps UTC without saying so."""


class _Schema(BaseModel):
    model_config = ConfigDict(from_attributes=True, json_schema_extra=with_example)


class Problem(_Schema):
    """What could not be read, and on which page."""

    page: int | None
    code: str
    message: str
    details: dict[str, Any] = {}


class Import(_Schema):
    """A knowledge base that was taken in; `renamed` has the new ids of documents whose own were taken."""

    name: str
    documents: int
    chunks: int
    embedded: int
    renamed: dict[str, str]


class Document(_Schema):
    """A document, or what became of a file. `id` is null when nothing was stored."""

    id: str | None
    name: str
    state: str
    pages: int
    chunks: int
    problems: list[Problem]


class StoredDocument(Document):
    """A document in a knowledge base."""

    id: str
    format: str
    size: int
    created_at: Time
    updated_at: Time
    other_names: list[str]
    conflicts: int


class DocumentVersion(_Schema):
    """What a document has been; of earlier versions no text is kept."""

    number: int
    name: str
    sha256: str
    size: int
    pages: int
    chunks: int
    created_at: Time


class KnowledgeBase(_Schema):
    """A knowledge base and its size."""

    name: str
    description: str
    documents: int
    chunks: int
    created_at: Time
    prompt: str = ""


class JobProgress(_Schema):
    """How far a job has come; `seconds_left` is an estimate, null while nothing can be said."""

    pages_done: int
    pages_total: int
    chunks: int
    pages_per_second: float
    seconds_left: float | None


class JobEvent(_Schema):
    """Something that happened to a job."""

    at: Time
    kind: str
    details: dict[str, Any]


class Job(_Schema):
    """Background work over uploaded files: queued, running, done, failed or cancelled."""

    id: str
    knowledge_base: str
    state: str
    stage: str
    done: int
    total: int
    error: str
    message: str
    progress: JobProgress
    documents: list[Document]
    created_at: Time
    updated_at: Time


class Box(_Schema):
    """A rectangle on a page, in fractions of its width and height from the top left."""

    page: int
    x0: float
    y0: float
    x1: float
    y1: float


class Hit(_Schema):
    """A passage that a query found. `score` is the calibrated relevance in [0, 1]."""

    score: float
    dense_score: float
    keyword_score: float
    knowledge_base: str
    document: str
    document_id: str
    chunk_id: int
    page: int | None
    text: str
    header: str
    question: str
    heading_path: list[str]
    before: str
    after: str
    boxes: list[Box]
    edited: bool


class Citation(_Schema):
    """A passage behind the answer; `index` is the number in brackets there."""

    index: int
    knowledge_base: str
    document: str
    document_id: str
    chunk_id: int
    page: int | None
    text: str
    quote: str
    score: float
    boxes: list[Box]
    edited: bool


class AnswerSentence(_Schema):
    """A sentence that a model wrote, `answer[start:end]`; `supported`: its passages bear it out."""

    start: int
    end: int
    citations: list[int]
    support: float | None
    supported: bool


class TokenUsage(_Schema):
    """What a language model read and wrote, in its own tokens."""

    prompt_tokens: int
    completion_tokens: int


class Answer(_Schema):
    """An answer with its citations, or a refusal without any. `timings` are in seconds.

    `usage` is null where no language model was asked, or its server does not tell. `documents_pending`
    counts uploads to the knowledge bases asked that were still being processed, so not searched.
    """

    answer: str
    refused: bool
    model: str
    question: str
    citations: list[Citation]
    timings: dict[str, float]
    sentences: list[AnswerSentence] = []
    usage: TokenUsage | None = None
    documents_pending: int = 0


class Chunk(_Schema):
    """A piece of a document; `text` is `document[start:end]` unless it was written by hand (`edited`)."""

    id: int
    start: int
    end: int
    page: int | None
    kind: str
    text: str
    header: str
    question: str
    heading_path: list[str]
    enabled: bool
    edited: bool
    edit_id: int | None


class OriginalChunk(_Schema):
    """A chunk as it was read from the file."""

    page: int | None
    text: str
    heading_path: list[str]


class ChunkEdit(_Schema):
    """A chunk changed, added or deleted by hand. `text` is null where only `enabled` was changed.

    For an edit in conflict, `suggested_chunk` is the present chunk most like the one it was about,
    with a `similarity` in (0, 1]; null where none is like it.
    """

    id: int
    kind: str
    text: str | None
    enabled: bool
    conflict: bool
    original: OriginalChunk
    suggested_chunk: int | None = None
    similarity: float | None = None
    updated_at: Time


def ingested(result: IngestedFile, language: Language) -> Document:
    """What became of a file."""
    document = result.document
    return Document(
        id=document.id if document else None,
        name=result.name,
        state=result.state,
        pages=document.pages if document else 0,
        chunks=document.chunks if document else 0,
        problems=_problems(result.problems, result.name, language),
    )


def stored(info: domain.DocumentInfo, language: Language) -> StoredDocument:
    """A document of a knowledge base."""
    problems = _problems(info.problems, info.name, language)
    return StoredDocument.model_validate({**_fields(info), "problems": problems})


def job(info: domain.JobInfo, language: Language) -> Job:
    """A job with its files."""
    files = [{**_fields(f), "problems": _problems(f.problems, f.name, language)} for f in info.documents]
    return Job.model_validate(
        {
            **_fields(info),
            "documents": files,
            "done": info.done,
            "total": len(info.documents),
            "message": error_text(info.error, language, info.error) if info.error else "",
        }
    )


def hit(found: domain.Hit) -> Hit:
    """A hit with the boxes of its whole text."""
    return Hit.model_validate({**_fields(found), "boxes": found.boxes()})


def answer(given: answering.Answer) -> Answer:
    """An answer."""
    return Answer.model_validate(given)


def final_answer(events: Iterator[answering.Event]) -> Answer:
    """The answer at the end of its events."""
    return answer(next(event.answer for event in events if isinstance(event, answering.Final)))


def chunk(found: StoredChunk) -> Chunk:
    """A chunk of a document."""
    edit_id = found.edit.id if found.edit else None
    own = {"id": found.id, "enabled": found.enabled, "edited": found.edited, "edit_id": edit_id}
    return Chunk.model_validate({**_fields(found.chunk), **own})


def _problems(found: Sequence[loaded.Problem], name: str, language: Language) -> list[Problem]:
    """A document's problems, each with its text for users."""
    return [
        Problem(
            page=p.page, code=p.code, message=problem_text(p, language, name=name), details=dict(p.details)
        )
        for p in found
    ]


def _fields(item: Any) -> dict[str, Any]:
    return {name: getattr(item, name) for name in item.__dataclass_fields__}
