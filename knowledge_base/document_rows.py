"""Documents in the catalogue: writing one, reading them back."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update

from knowledge_base import (
    chunk_changes,
    chunk_edits,
    chunk_rows,
    chunk_values,
    name_rows,
    searched_chunks,
    version_rows,
)
from knowledge_base.clock import now
from knowledge_base.errors import DocumentNotFoundError
from knowledge_base.files import StoredFile
from knowledge_base.tables import chunk_edits as edits_table
from knowledge_base.tables import documents, knowledge_bases
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
    vectors: Mapping[bytes, np.ndarray]
    """Vectors of shape (dimension,), float32, by `chunk_values.search_hash`: those of `chunks` and of
    the texts by hand that stand in their place."""
    pipeline: str | None = None
    """What the text went through, where that is not what files go through now."""


def infos(
    connection: Connection, *conditions: ColumnElement[bool], limit: int | None = None, offset: int = 0
) -> list[DocumentInfo]:
    """Documents that meet the conditions, by name: at most `limit` after the first `offset`."""
    conflicts = (
        select(func.count())
        .where(edits_table.c.document_id == documents.c.id, edits_table.c.conflict)
        .correlate(documents)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(
            documents,
            searched_chunks.served_count().label("chunks"),
            conflicts.label("conflicts"),
        )
        .join(knowledge_bases, knowledge_bases.c.id == documents.c.knowledge_base_id)
        .where(*conditions)
        .order_by(documents.c.name)
        .limit(limit)
        .offset(offset or None)
    ).all()
    if limit is not None:
        conditions = (documents.c.id.in_([row.id for row in rows]),)
    names = name_rows.others(connection, *conditions)
    return [_info(row, names.get(row.id, ())) for row in rows]


def info(connection: Connection, knowledge_base_id: int, document_id: str) -> DocumentInfo:
    """One document. Raises `DocumentNotFoundError`."""
    found = infos(
        connection, documents.c.knowledge_base_id == knowledge_base_id, documents.c.id == document_id
    )
    if not found:
        raise DocumentNotFoundError(f"there is no document {document_id!r}", id=document_id)
    return found[0]


def _info(row: Row[Any], other_names: tuple[str, ...]) -> DocumentInfo:
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
        other_names=other_names,
        conflicts=row.conflicts,
    )


def repeated(connection: Connection, knowledge_base_id: int, file: StoredFile) -> Row[Any] | None:
    """The document that has these bytes already and may go by the file's name too.

    The first name of a document leads to nothing else: with other bytes, that document is to be
    replaced and keeps its id, whatever else has the bytes. A further name goes where its bytes are.
    """
    owner = _owner(connection, knowledge_base_id, file)
    if owner is not None and (owner.sha256 == file.sha256 or file.replaces or owner.name == file.name):
        return owner if owner.sha256 == file.sha256 else None
    return connection.execute(
        select(documents)
        # The sum keeps SQLite from going through all documents of the knowledge base by its index.
        .where(documents.c.knowledge_base_id + 0 == knowledge_base_id, documents.c.sha256 == file.sha256)
        .order_by(documents.c.created_at, documents.c.id)
        .limit(1)
    ).first()


def store(
    connection: Connection,
    knowledge_base_id: int,
    document: PreparedDocument,
    *,
    pipeline: str,
    embedder: str,
) -> str:
    """Store a document where its name and bytes say that it belongs; its id.

    Raises `DocumentExistsError` when it is to replace a document and its name is that of another.
    """
    file = document.file
    target = repeated(connection, knowledge_base_id, file)
    owner = _owner(connection, knowledge_base_id, file)
    if target is None and owner is not None and (file.replaces or owner.name == file.name):
        target = owner
        further = name_rows.others(connection, documents.c.id == owner.id).get(owner.id, ())
        if further and owner.sha256 != file.sha256:
            split_off(connection, owner, [name for name in further if name != file.name])
    if target is None:
        document_id = secrets.token_hex(8)
        values = {"id": document_id, "knowledge_base_id": knowledge_base_id, "created_at": now()}
        connection.execute(insert(documents).values(name=file.name, **values, **_values(document, pipeline)))
    else:
        document_id = target.id
        if file.replaces and target.name != file.name:
            rename(connection, knowledge_base_id, document_id, target.name, file.name)
    name_rows.give(connection, knowledge_base_id, document_id, file.name, origin=file.origin)
    replace(connection, knowledge_base_id, document_id, document, pipeline=pipeline, embedder=embedder)
    return document_id


def replace(
    connection: Connection,
    knowledge_base_id: int,
    document_id: str,
    document: PreparedDocument,
    *,
    pipeline: str,
    embedder: str,
) -> None:
    """Store a document in place of the one with this id, with what was changed of it by hand."""
    values = _values(document, pipeline)
    connection.execute(
        update(documents)
        .where(documents.c.id == document_id)
        .values(revision=documents.c.revision + 1, **values)
    )
    count, conflicts = lay_edits(
        connection,
        knowledge_base_id,
        document_id,
        document.chunks,
        document.vectors,
        embedder=embedder,
        generation=searched_chunks.served(connection, knowledge_base_id),
    )
    chunk_edits.note_conflicts(connection, document_id, conflicts)
    version_rows.record(connection, document_id, document.file, pages=document.pages, chunks=count)


def lay_edits(
    connection: Connection,
    knowledge_base_id: int,
    document_id: str,
    read: Sequence[Chunk],
    vectors: Mapping[bytes, np.ndarray],
    *,
    embedder: str,
    generation: int,
) -> tuple[int, set[int]]:
    """Store what was read of a document in a generation, as it is by the document's edits.

    Vectors that are missing are looked for among those stored. Returns how many chunks there are,
    and the ids of the edits whose chunk is not among them.
    """
    placed, conflicts = chunk_edits.place(read, chunk_edits.of_document(connection, document_id))
    hashes = [chunk_values.search_hash(item.chunk) for item in placed]
    known = chunk_rows.known_vectors(connection, set(hashes) - vectors.keys(), embedder) | dict(vectors)
    stored = []
    for item, digest in zip(placed, hashes, strict=True):
        if digest not in known and item.edit_id is not None:
            # Made while the file was read, of a chunk that has just come back: somebody has to look.
            conflicts.add(item.edit_id)
        else:
            stored.append(item)
    chunk_rows.replace_chunks(
        connection, knowledge_base_id, document_id, stored, known, embedder=embedder, generation=generation
    )
    return len(stored), conflicts


def split_off(connection: Connection, row: Row[Any], names: Sequence[str]) -> None:
    """Let `names` lead to a document of their own with what `row` has now; nothing is embedded."""
    if not names:
        return
    copy_id = secrets.token_hex(8)
    values = {**row._mapping, "id": copy_id, "name": names[0], "revision": 0, "created_at": now()}
    connection.execute(insert(documents).values(values))
    for name in names:
        name_rows.lead(connection, row.knowledge_base_id, copy_id, name)
    edits = chunk_edits.copy(connection, row.id, copy_id)
    generation = searched_chunks.served(connection, row.knowledge_base_id)
    chunk_rows.copy_chunks(connection, row.id, copy_id, generation=generation, edits=edits)
    version_rows.copy_last(connection, row.id, copy_id, name=names[0])


def unchanged_since(connection: Connection, row: Row[Any]) -> bool:
    """Whether a document has the same chunks as when `row` was read, in the same knowledge base."""
    same = (documents.c.id == row.id) & (documents.c.revision == row.revision)
    inside = documents.c.knowledge_base_id == row.knowledge_base_id
    return connection.execute(select(documents.c.id).where(same, inside)).first() is not None


def rename(connection: Connection, knowledge_base_id: int, document_id: str, old: str, new: str) -> None:
    """Let a document go by another first name; the old one leads nowhere then."""
    name_rows.take(connection, knowledge_base_id, old)
    name_rows.give(connection, knowledge_base_id, document_id, new)
    set_name(connection, document_id, new)


def set_name(connection: Connection, document_id: str, name: str) -> None:
    """Change a document's first name, by which its chunks are found too; the caller notes the change."""
    connection.execute(update(documents).where(documents.c.id == document_id).values(name=name))
    chunk_changes.note_document(connection, document_id)


def _owner(connection: Connection, knowledge_base_id: int, file: StoredFile) -> Row[Any] | None:
    """The document that the file is to replace. Raises `DocumentExistsError` where its name is another's."""
    inside = documents.c.knowledge_base_id == knowledge_base_id
    document_id = name_rows.owner(connection, knowledge_base_id, file.name)
    if file.replaces is not None:
        name_rows.check_free(connection, knowledge_base_id, file.name, file.replaces)
        named = connection.execute(select(documents).where(inside, documents.c.id == file.replaces)).first()
        if named is not None:  # else it is gone since
            return named
    if document_id is None:
        return None
    return connection.execute(select(documents).where(inside, documents.c.id == document_id)).first()


def _values(document: PreparedDocument, pipeline: str) -> dict[str, Any]:
    return {
        "sha256": document.file.sha256,
        "size": document.file.size,
        "format": document.format,
        "pages": document.pages,
        "problems": [problem.stored() for problem in document.problems],
        "pipeline": document.pipeline or pipeline,
        "updated_at": now(),
    }
