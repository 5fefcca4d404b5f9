"""The chunks that are searched, read: which they are, what an index needs of them, what a hit shows."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, ScalarSelect, func, select

from knowledge_base import chunk_values
from knowledge_base.id_batches import batches
from knowledge_base.tables import chunk_edits, chunks, documents, knowledge_bases, vectors
from knowledge_base.types import Hit
from loaders.document import Chunk


def revision(connection: Connection, knowledge_base_id: int) -> int:
    """How many commits the knowledge base's chunks have seen; 0 when it is gone."""
    statement = select(knowledge_bases.c.revision).where(knowledge_bases.c.id == knowledge_base_id)
    return connection.execute(statement).scalar() or 0


def embedders(connection: Connection, knowledge_base_id: int, generation: int) -> set[str]:
    """Fingerprints of the embedders whose vectors the generation holds: one at most."""
    statement = select(vectors.c.embedder).distinct().join(chunks, chunks.c.id == vectors.c.chunk_id)
    inside = (chunks.c.knowledge_base_id == knowledge_base_id) & (chunks.c.generation == generation)
    return set(connection.execute(statement.where(inside)).scalars())


def enabled_ids(
    connection: Connection,
    knowledge_base_id: int,
    generation: int,
    *,
    among: Collection[int] | None = None,
) -> set[int]:
    """Ids of the generation's chunks that may be found, or those of them that are `among` some."""
    statement = select(chunks.c.id).where(_findable(knowledge_base_id, generation))
    if among is None:
        return set(connection.execute(statement).scalars())
    return {
        id
        for batch in batches(among)
        for id in connection.execute(statement.where(chunks.c.id.in_(batch))).scalars()
    }


def enabled_count(connection: Connection, knowledge_base_id: int, generation: int) -> int:
    """How many of the generation's chunks may be found."""
    findable = _findable(knowledge_base_id, generation)
    return connection.execute(select(func.count()).select_from(chunks).where(findable)).scalar() or 0


def dimension(connection: Connection, knowledge_base_id: int, generation: int) -> int | None:
    """Length of the generation's vectors; None when it holds none."""
    statement = select(func.length(vectors.c.vector)).join(chunks, chunks.c.id == vectors.c.chunk_id)
    size = connection.execute(statement.where(_findable(knowledge_base_id, generation)).limit(1)).scalar()
    return None if size is None else int(size) // 4


def _findable(knowledge_base_id: int, generation: int) -> ColumnElement[bool]:
    return (
        (chunks.c.knowledge_base_id == knowledge_base_id)
        & (chunks.c.generation == generation)
        & chunks.c.enabled
    )


def served(connection: Connection, knowledge_base_id: int) -> int:
    """The generation that is searched."""
    statement = select(knowledge_bases.c.generation).where(knowledge_bases.c.id == knowledge_base_id)
    return connection.execute(statement).scalar() or 0


def served_count() -> ScalarSelect[int]:
    """How many chunks of a document are searched, for a statement over `documents` and `knowledge_bases`.

    One look into an index for each document.
    """
    return (
        select(func.count())
        .select_from(chunks)
        .where(chunks.c.document_id == documents.c.id, chunks.c.generation == knowledge_bases.c.generation)
        .correlate(documents, knowledge_bases)
        .scalar_subquery()
    )


def index_entries(
    connection: Connection, ids: Collection[int]
) -> Iterator[tuple[list[int], list[str], np.ndarray, list[str]]]:
    """What the search index needs of these chunks, in batches: ids, texts, vectors and contexts."""
    for batch in batches(sorted(ids)):
        rows = connection.execute(
            select(chunks, vectors.c.vector, documents.c.name.label("document"))
            .join(vectors, vectors.c.chunk_id == chunks.c.id)
            .join(documents, documents.c.id == chunks.c.document_id)
            .where(chunks.c.id.in_(batch))
        ).all()
        if rows:
            found = [chunk_values.to_chunk(row) for row in rows]
            yield (
                [row.id for row in rows],
                [chunk.search_text for chunk in found],
                np.stack([chunk_values.vector(row.vector) for row in rows]),
                [search_context(row.document, chunk) for row, chunk in zip(rows, found, strict=True)],
            )


def search_context(document: str, chunk: Chunk) -> str:
    """What a chunk is part of, as far as its `search_text` does not say so: the document and the headings.

    A question that names the manual or the policy is about all of its chunks.
    """
    headings = chunk.heading_path if chunk.question else ()
    return "\n".join((PurePosixPath(document).stem, *headings))


def document_chunk_ids(connection: Connection, document_ids: Collection[str]) -> set[int]:
    """Ids of the chunks of these documents."""
    found: set[int] = set()
    for batch in batches(document_ids):
        found.update(connection.execute(select(chunks.c.id).where(chunks.c.document_id.in_(batch))).scalars())
    return found


def document_chunks(connection: Connection, document_id: str) -> list[Row[Any]]:
    """A document's chunks that are searched, in order, as rows of the table."""
    statement = (
        select(chunks)
        .join(knowledge_bases, knowledge_bases.c.id == chunks.c.knowledge_base_id)
        .where(chunks.c.document_id == document_id, chunks.c.generation == knowledge_bases.c.generation)
        .order_by(chunks.c.position)
    )
    return list(connection.execute(statement))


def hits(connection: Connection, scores: dict[int, tuple[float, float, float]]) -> dict[int, Hit]:
    """The chunks with these scores (relevance, cosine, coverage); those gone since are left out."""
    found: dict[int, Hit] = {}
    for batch in batches(scores):
        rows = connection.execute(
            select(
                chunks,
                documents.c.name.label("document"),
                knowledge_bases.c.name.label("knowledge_base"),
                chunk_edits.c.text.label("edit_text"),
            )
            .join(documents, documents.c.id == chunks.c.document_id)
            .join(chunk_edits, chunk_edits.c.id == chunks.c.edit_id, isouter=True)
            .join(knowledge_bases, knowledge_bases.c.id == chunks.c.knowledge_base_id)
            .where(chunks.c.id.in_(batch), chunks.c.enabled)
        )
        for row in rows:
            score, dense_score, keyword_score = scores[row.id]
            chunk = chunk_values.to_chunk(row)
            found[row.id] = Hit(
                score=score,
                dense_score=dense_score,
                keyword_score=keyword_score,
                knowledge_base=row.knowledge_base,
                document=row.document,
                document_id=row.document_id,
                chunk_id=row.id,
                page=chunk.page,
                text=chunk.text,
                kind=chunk.kind,
                header=chunk.header,
                question=chunk.question,
                heading_path=chunk.heading_path,
                lines=chunk.lines,
                edited=row.edit_text is not None,
            )
    return found
