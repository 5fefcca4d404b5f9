"""Documents in the catalogue: writing one, reading them back."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, insert, select, update

from knowledge_base import chunk_rows
from knowledge_base.errors import DocumentNotFoundError
from knowledge_base.files import StoredFile
from knowledge_base.tables import documents
from knowledge_base.types import DocumentInfo
from loaders.document import Chunk, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedDocument:
    """A file that was parsed, split and embedded, ready to be committed."""

    file: StoredFile
    format: str
    pages: int
    problems: tuple[Problem, ...]
    chunks: Sequence[Chunk]
    vectors: np.ndarray
    """Shape (len(chunks), dimension), float32."""


def now() -> datetime:
    """The time in UTC, without a zone, as the catalogue keeps it."""
    return datetime.now(timezone.utc).replace(tzinfo=None)


def infos(connection: Connection, *conditions: ColumnElement[bool]) -> list[DocumentInfo]:
    """Documents that meet the conditions, by name."""
    count = chunk_rows.served_count(documents.c.id)
    rows = connection.execute(
        select(documents, count.label("chunks")).where(*conditions).order_by(documents.c.name)
    )
    return [_info(row) for row in rows]


def info(connection: Connection, knowledge_base_id: int, document_id: str) -> DocumentInfo:
    """One document. Raises `DocumentNotFoundError`."""
    found = infos(
        connection, documents.c.knowledge_base_id == knowledge_base_id, documents.c.id == document_id
    )
    if not found:
        raise DocumentNotFoundError(f"there is no document {document_id!r}", id=document_id)
    return found[0]


def _info(row: Row[Any]) -> DocumentInfo:
    problems = tuple(Problem(**problem) for problem in row.problems)
    return DocumentInfo(
        id=row.id,
        name=row.name,
        state="ready_with_problems" if problems else "ready",
        format=row.format,
        size=row.size,
        pages=row.pages,
        chunks=row.chunks,
        problems=problems,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def upsert(
    connection: Connection,
    knowledge_base_id: int,
    document: PreparedDocument,
    *,
    pipeline: str,
    embedder: str,
) -> str:
    """Store a document in place of the one with its name, else of the one with its bytes; its id."""
    inside = documents.c.knowledge_base_id == knowledge_base_id
    by_name = select(documents.c.id).where(inside, documents.c.name == document.file.name)
    by_bytes = select(documents.c.id).where(inside, documents.c.sha256 == document.file.sha256)
    document_id = connection.execute(by_name).scalar() or connection.execute(by_bytes).scalar()
    if document_id is None:
        document_id = secrets.token_hex(8)
        values = {"id": document_id, "knowledge_base_id": knowledge_base_id, "created_at": now()}
        connection.execute(insert(documents).values(**values, **_values(document, pipeline)))
    replace(connection, knowledge_base_id, document_id, document, pipeline=pipeline, embedder=embedder)
    return str(document_id)


def replace(
    connection: Connection,
    knowledge_base_id: int,
    document_id: str,
    document: PreparedDocument,
    *,
    pipeline: str,
    embedder: str,
) -> None:
    """Store a document in place of the one with this id."""
    connection.execute(
        update(documents).where(documents.c.id == document_id).values(_values(document, pipeline))
    )
    chunk_rows.replace_chunks(
        connection,
        knowledge_base_id,
        document_id,
        document.chunks,
        document.vectors,
        embedder=embedder,
        generation=chunk_rows.served(connection, knowledge_base_id),
    )


def _values(document: PreparedDocument, pipeline: str) -> dict[str, Any]:
    return {
        "name": document.file.name,
        "sha256": document.file.sha256,
        "size": document.file.size,
        "format": document.format,
        "pages": document.pages,
        "problems": [problem.stored() for problem in document.problems],
        "pipeline": pipeline,
        "updated_at": now(),
    }
