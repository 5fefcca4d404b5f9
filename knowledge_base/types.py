"""What the knowledge base gives out: documents, jobs and hits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from loaders.document import BlockKind, Box, Line, Problem

DocumentState = Literal["pending", "ready", "ready_with_problems", "failed"]
JobState = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class KnowledgeBaseInfo:
    """A knowledge base and its size."""

    name: str
    description: str
    documents: int
    chunks: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """A stored document. `problems` of a failed one hold the reason."""

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


@dataclass(frozen=True, slots=True)
class JobInfo:
    """A piece of background work over some files, and how far it has come."""

    id: str
    knowledge_base: str
    state: JobState
    done: int
    total: int
    stage: str
    """What is being done now, such as "parse 3/12" of the current file."""
    documents: tuple[DocumentInfo, ...]
    error: str
    created_at: datetime
    updated_at: datetime


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

    def boxes(self, start: int = 0, end: int | None = None) -> tuple[Box, ...]:
        """Where `text[start:end]` stands on its pages; a line partly covered is cut in proportion."""
        stop = len(self.text) if end is None else end
        found = []
        for line in self.lines:
            low, high = max(line.start, start), min(line.end, stop)
            if low >= high:
                continue
            width = (line.box.x1 - line.box.x0) / (line.end - line.start)
            x0 = line.box.x0 + (low - line.start) * width
            x1 = line.box.x0 + (high - line.start) * width
            found.append(Box(line.box.page, x0, line.box.y0, x1, line.box.y1))
        return tuple(found)
