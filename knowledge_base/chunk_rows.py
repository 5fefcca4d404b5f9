"""Chunks and their vectors in the catalogue: writing a document's, reading them back."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    ScalarSelect,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)

from knowledge_base.tables import chunk_edits, chunks, documents, knowledge_bases, vectors
from knowledge_base.types import Hit
from loaders.document import Box, Chunk, Line

_Item = TypeVar("_Item")
_BATCH = 500
"""Ids in one statement; SQLite takes no more than 32,766 parameters."""


@dataclass(frozen=True, slots=True)
class PlacedChunk:
    """A chunk as it is stored: as it was read, or as the edit `edit_id` has made it."""

    chunk: Chunk
    enabled: bool = True
    edit_id: int | None = None


def search_hash(chunk: Chunk) -> bytes:
    """Digest of what is embedded: chunks that share it share their vector."""
    return hashlib.sha256(chunk.search_text.encode("utf-8", "replace")).digest()[:16]


def known_vectors(
    connection: Connection, hashes: Collection[bytes], embedder: str
) -> dict[bytes, np.ndarray]:
    """Vectors that `embedder` made earlier of the same texts, in any knowledge base."""
    found: dict[bytes, np.ndarray] = {}
    for batch in _batches(hashes):
        rows = connection.execute(
            select(chunks.c.search_hash, vectors.c.vector)
            .join(vectors, vectors.c.chunk_id == chunks.c.id)
            .where(chunks.c.search_hash.in_(batch), vectors.c.embedder == embedder)
        )
        found.update((digest, _vector(blob)) for digest, blob in rows)
    return found


def replace_chunks(
    connection: Connection,
    knowledge_base_id: int,
    document_id: str,
    placed: Sequence[PlacedChunk],
    new_vectors: Mapping[bytes, np.ndarray],
    *,
    embedder: str,
    generation: int,
) -> None:
    """Make `placed` the document's only chunks in a generation; those unchanged keep their ids and vectors.

    `new_vectors` has the vector of each by its `search_hash`: shape (dimension,), float32.
    """
    of_document = (chunks.c.document_id == document_id) & (chunks.c.generation == generation)
    old: dict[tuple[bytes, str], list[int]] = defaultdict(list)
    for row in connection.execute(
        select(chunks.c.id, chunks.c.search_hash, chunks.c.text)
        .join(vectors, vectors.c.chunk_id == chunks.c.id)
        .where(of_document, vectors.c.embedder == embedder)
        .order_by(chunks.c.position.desc())
    ):
        old[row.search_hash, row.text].append(row.id)
    kept: set[int] = set()
    added: list[dict[str, Any]] = []
    for position, item in enumerate(placed):
        values = {
            "document_id": document_id,
            "knowledge_base_id": knowledge_base_id,
            "generation": generation,
            "position": position,
            "enabled": item.enabled,
            "edit_id": item.edit_id,
            "search_hash": search_hash(item.chunk),
            **to_values(item.chunk),
        }
        same = old[values["search_hash"], item.chunk.text]
        if same:
            kept.add(same[-1])
            connection.execute(update(chunks).where(chunks.c.id == same.pop()).values(values))
        else:
            added.append(values)
    stale = select(chunks.c.id).where(of_document)
    ids = [id for (id,) in connection.execute(stale) if id not in kept]
    for batch in _batches(ids):
        connection.execute(delete(chunks).where(chunks.c.id.in_(batch)))
    for values in added:
        add_chunk(connection, values, new_vectors[values["search_hash"]], embedder=embedder)


def add_chunk(connection: Connection, values: dict[str, Any], vector: np.ndarray, *, embedder: str) -> int:
    """Store a chunk, by its columns, with its vector of shape (dimension,); its id."""
    (chunk_id,) = connection.execute(insert(chunks).values(values)).inserted_primary_key or (0,)
    blob = np.ascontiguousarray(vector, dtype="<f4").tobytes()
    connection.execute(insert(vectors).values(chunk_id=chunk_id, embedder=embedder, vector=blob))
    return int(chunk_id)


def replace_vectors(
    connection: Connection, document_id: str, new: Mapping[bytes, np.ndarray], *, embedder: str
) -> None:
    """Give a document's chunks the vectors that `embedder` made, by `search_hash`, under new ids.

    New, because an index takes an id that it has for what it knows.
    """
    rows = connection.execute(select(chunks).where(chunks.c.document_id == document_id)).all()
    connection.execute(delete(chunks).where(chunks.c.document_id == document_id))
    for row in rows:
        values = {name: value for name, value in row._asdict().items() if name != "id"}
        add_chunk(connection, values, new[row.search_hash], embedder=embedder)


def add_chunks(
    connection: Connection, rows: Sequence[dict[str, Any]], new_vectors: np.ndarray, *, embedder: str
) -> None:
    """Store chunks, by their columns, with their vectors: shape (len(rows), dimension)."""
    # SQLite's own count of the ids that were ever given; nobody else writes in this transaction.
    last = connection.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'").scalar() or 0
    numbered = [{"id": last + position, **row} for position, row in enumerate(rows, 1)]
    blobs = np.ascontiguousarray(new_vectors, dtype="<f4")
    connection.execute(insert(chunks), numbered)
    connection.execute(
        insert(vectors),
        [
            {"chunk_id": row["id"], "embedder": embedder, "vector": vector.tobytes()}
            for row, vector in zip(numbered, blobs, strict=True)
        ],
    )


def copy_chunks(
    connection: Connection, document_id: str, copy_id: str, *, generation: int, edits: Mapping[int, int]
) -> None:
    """Give another document of the knowledge base the same chunks, with their vectors.

    `edits` has the ids of the copy's edits by those of the original's.
    """
    columns = [column for column in chunks.c if column.name not in {"id", "document_id"}]
    source = select(literal(copy_id), *columns).where(
        chunks.c.document_id == document_id, chunks.c.generation == generation
    )
    names = ["document_id", *(column.name for column in columns)]
    connection.execute(insert(chunks).from_select(names, source.order_by(chunks.c.position)))
    copied = chunks.alias()
    vectors_of_copies = (
        select(copied.c.id, vectors.c.embedder, vectors.c.vector)
        .select_from(copied)
        .join(chunks, (chunks.c.position == copied.c.position) & (chunks.c.generation == copied.c.generation))
        .join(vectors, vectors.c.chunk_id == chunks.c.id)
        .where(copied.c.document_id == copy_id, chunks.c.document_id == document_id)
    )
    connection.execute(insert(vectors).from_select(["chunk_id", "embedder", "vector"], vectors_of_copies))
    for old, new in edits.items():
        connection.execute(
            update(chunks).where(chunks.c.document_id == copy_id, chunks.c.edit_id == old).values(edit_id=new)
        )


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
        for batch in _batches(among)
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


def served_count(document_id: Column[Any]) -> ScalarSelect[int]:
    """How many chunks of a document are searched, for a statement that has the column `document_id`."""
    document, knowledge_base = documents.alias(), knowledge_bases.alias()
    return (
        select(func.count(chunks.c.id))
        .join(document, document.c.id == chunks.c.document_id)
        .join(knowledge_base, knowledge_base.c.id == document.c.knowledge_base_id)
        .where(document.c.id == document_id, chunks.c.generation == knowledge_base.c.generation)
        .correlate(document_id.table)
        .scalar_subquery()
    )


def index_entries(
    connection: Connection, ids: Collection[int]
) -> Iterator[tuple[list[int], list[str], np.ndarray, list[str]]]:
    """What the search index needs of these chunks, in batches: ids, texts, vectors and contexts."""
    for batch in _batches(sorted(ids)):
        rows = connection.execute(
            select(chunks, vectors.c.vector, documents.c.name.label("document"))
            .join(vectors, vectors.c.chunk_id == chunks.c.id)
            .join(documents, documents.c.id == chunks.c.document_id)
            .where(chunks.c.id.in_(batch))
        ).all()
        if rows:
            found = [to_chunk(row) for row in rows]
            yield (
                [row.id for row in rows],
                [chunk.search_text for chunk in found],
                np.stack([_vector(row.vector) for row in rows]),
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
    for batch in _batches(document_ids):
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
    for batch in _batches(scores):
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
            chunk = to_chunk(row)
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


def to_chunk(row: Row[Any]) -> Chunk:
    """Read a chunk back from its row."""
    return from_values(row._asdict())


def from_values(values: Mapping[str, Any]) -> Chunk:
    """A chunk of what `to_values` gave."""
    return Chunk(
        start=values["start"],
        end=values["end"],
        text=values["text"],
        page=values["page"],
        heading_path=tuple(values["heading_path"]),
        kind=values["kind"],
        header=values["header"],
        question=values["question"],
        lines=tuple(Line(start, end, Box(page, *box)) for start, end, page, *box in values["lines"]),
    )


def to_values(chunk: Chunk) -> dict[str, Any]:
    """A chunk as columns, or as JSON."""
    lines = [
        [
            line.start,
            line.end,
            line.box.page,
            *(round(v, 5) for v in (line.box.x0, line.box.y0, line.box.x1, line.box.y1)),
        ]
        for line in chunk.lines
    ]
    return {
        "start": chunk.start,
        "end": chunk.end,
        "page": chunk.page,
        "kind": chunk.kind,
        "text": chunk.text,
        "header": chunk.header,
        "question": chunk.question,
        "heading_path": list(chunk.heading_path),
        "lines": lines,
    }


def _vector(blob: bytes) -> np.ndarray:
    return np.frombuffer(blob, dtype="<f4")


def _batches(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
