"""A document's chunks and their vectors in the catalogue: written, replaced, copied."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, bindparam, delete, insert, literal, select, update

from knowledge_base import chunk_values
from knowledge_base.id_batches import batches
from knowledge_base.tables import chunks, vectors
from loaders.document import Chunk


@dataclass(frozen=True, slots=True)
class PlacedChunk:
    """A chunk as it is stored: as it was read, or as the edit `edit_id` has made it."""

    chunk: Chunk
    enabled: bool = True
    edit_id: int | None = None


def known_vectors(
    connection: Connection, hashes: Collection[bytes], embedder: str
) -> dict[bytes, np.ndarray]:
    """Vectors that `embedder` made earlier of the same texts, in any knowledge base."""
    found: dict[bytes, np.ndarray] = {}
    for batch in batches(hashes):
        rows = connection.execute(
            select(chunks.c.search_hash, vectors.c.vector)
            .join(vectors, vectors.c.chunk_id == chunks.c.id)
            .where(chunks.c.search_hash.in_(batch), vectors.c.embedder == embedder)
        )
        found.update((digest, chunk_values.vector(blob)) for digest, blob in rows)
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
    old: dict[tuple[bytes, str], list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(
        select(chunks)
        .join(vectors, vectors.c.chunk_id == chunks.c.id)
        .where(of_document, vectors.c.embedder == embedder)
        .order_by(chunks.c.position.desc())
    ):
        old[row.search_hash, row.text].append(row)
    kept: set[int] = set()
    changed: list[dict[str, Any]] = []
    added: list[dict[str, Any]] = []
    for position, item in enumerate(placed):
        values = {
            "document_id": document_id,
            "knowledge_base_id": knowledge_base_id,
            "generation": generation,
            "position": position,
            "enabled": item.enabled,
            "edit_id": item.edit_id,
            "search_hash": chunk_values.search_hash(item.chunk),
            **chunk_values.to_values(item.chunk),
        }
        same = old[values["search_hash"], item.chunk.text]
        if same:
            row = same.pop()
            kept.add(row.id)
            if any(getattr(row, name) != value for name, value in values.items()):
                changed.append({"kept_id": row.id, **values})
        else:
            added.append(values)
    if changed:
        connection.execute(update(chunks).where(chunks.c.id == bindparam("kept_id")), changed)
    stale = select(chunks.c.id).where(of_document)
    ids = [id for (id,) in connection.execute(stale) if id not in kept]
    for batch in batches(ids):
        connection.execute(delete(chunks).where(chunks.c.id.in_(batch)))
    if added:
        stacked = np.stack([new_vectors[values["search_hash"]] for values in added])
        add_chunks(connection, added, stacked, embedder=embedder)


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
