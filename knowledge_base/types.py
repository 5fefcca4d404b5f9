"""What the knowledge base gives out: documents, jobs and hits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from loaders.document import BlockKind, Box, Line, Problem

DocumentState = Literal["ready", "ready_with_problems"]
JobState = Literal["queued", "running", "done", "failed", "cancelled"]
JobFileState = Literal["queued", "ready", "ready_with_problems", "unchanged", "failed"]


@dataclass(frozen=True, slots=True)
class KnowledgeBaseInfo:
    """A knowledge base and its size."""

    name: str
    description: str
    documents: int
    chunks: int
    created_at: datetime
    prompt: str = ""
    """Instructions of its own for a language model; empty: those of the settings."""


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """A stored document. Its `problems` say what of it could not be read."""

    id: str
    name: str
    state: DocumentState
    format: str
    size: int
    pages: int
    chunks: int
    problems: tuple[Problem, ...]
    created_at: datetime
    updated_at: datetime
    other_names: tuple[str, ...] = ()
    """Further names of the same bytes, oldest first."""
    conflicts: int = 0
    """Edits by hand whose chunk is gone: somebody has to decide."""


@dataclass(frozen=True, slots=True)
class DocumentVersion:
    """What a document has been; `number` counts from 1. Of earlier versions no text is kept."""

    number: int
    name: str
    sha256: str
    size: int
    pages: int
    chunks: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class JobFile:
    """One file of a job. `id` names the document once it is stored, or that it only repeats."""

    name: str
    state: JobFileState
    id: str | None
    pages: int
    chunks: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a job has come. A total grows while files are opened: only then their pages are known."""

    pages_done: int = 0
    pages_total: int = 0
    chunks: int = 0
    """Chunks that are stored."""
    pages_per_second: float = 0.0
    seconds_left: float | None = None
    """An estimate by the bytes that are still to be read; None while nothing can be said."""


@dataclass(frozen=True, slots=True)
class JobEvent:
    """Something that happened to a job: `details` hold counts, codes and ids, never text or names."""

    at: datetime
    kind: str
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class JobInfo:
    """A piece of background work over some files, and how far it has come."""

    id: str
    knowledge_base: str
    state: JobState
    stage: str
    """What is being done now, such as "parse 3/12 handbook.pdf"; empty when nothing is."""
    error: str
    """Code of what ended the whole job; the files' own reasons are their problems."""
    documents: tuple[JobFile, ...]
    created_at: datetime
    updated_at: datetime
    progress: JobProgress = JobProgress()
    knowledge_base_id: int = 0
    """Other than its name, it stays; that of an import is in no listing before the import is done."""

    @property
    def done(self) -> int:
        """How many files have come to their end."""
        return sum(file.state != "queued" for file in self.documents)


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that a query found, where it stands, and what its score was made of.

    `score` is the calibrated relevance in [0, 1], the same scale everywhere; `dense_score` the
    cosine; `keyword_score` the idf-weighted share of the query's terms covered, in [0, 1].
    """

    score: float
    dense_score: float
    keyword_score: float
    knowledge_base: str
    document: str
    document_id: str
    chunk_id: int
    page: int | None
    text: str
    kind: BlockKind = "paragraph"
    header: str = ""
    question: str = ""
    heading_path: tuple[str, ...] = ()
    lines: tuple[Line, ...] = field(default=(), repr=False)
    edited: bool = False
    """The text was written by hand and stands on no page like this."""
    before: str = ""
    """Text that stands in front of it in the document, when neighbours were asked for."""
    after: str = ""
    """Text that follows it."""

    @property
    def in_context(self) -> str:
        """The text with what stands around it."""
        return f"{self.before}{self.text}{self.after}"

    def boxes(self, start: int = 0, end: int | None = None) -> tuple[Box, ...]:
        """Where `text[start:end]` stands on its pages; a line partly covered is cut in proportion."""
        stop = len(self.text) if end is None else end
        parts = (line.cut(start, stop) for line in self.lines)
        return tuple(part.box for part in parts if part is not None)
