"""What people changed of a document's chunks, laid over what is read from its file.

An edit knows the chunk that it is about by the text as it was read, so it survives reading the
file again. When no such chunk comes any more, the edit is a conflict, which somebody has to decide.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, delete, insert, select, update

from knowledge_base import chunk_values
from knowledge_base.chunk_rows import PlacedChunk
from knowledge_base.clock import now
from knowledge_base.tables import chunk_edits
from loaders.document import Chunk

EditKind = Literal["changed", "added", "deleted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkEdit:
    """A chunk changed, added or deleted by hand."""

    id: int
    document_id: str
    kind: EditKind
    text: str | None
    """The text by hand; None where the chunk keeps its own."""
    enabled: bool
    original: Chunk
    """The chunk as it was read; of an added one, its page and headings."""
    occurrence: int
    conflict: bool
    updated_at: datetime
    former_ids: tuple[int, ...] = ()
    """Ids that the chunk had before it was edited."""

    def applied(self, chunk: Chunk) -> Chunk:
        """The chunk as it is by this edit."""
        return chunk if self.text is None else by_hand(chunk, self.text)


def by_hand(chunk: Chunk, text: str) -> Chunk:
    """The chunk with a text written by hand, which stands in no box of its page."""
    return replace(chunk, text=text, lines=())


def original_hash(chunk: Chunk) -> bytes:
    """Digest of a chunk's own text, by which an edit knows it again under another heading too."""
    parts = "\0".join((chunk.question, chunk.header, chunk.text))
    return hashlib.sha256(parts.encode("utf-8", "replace")).digest()[:16]


def occurrences(chunks: Iterable[Chunk]) -> list[tuple[bytes, int]]:
    """For each chunk its digest, and how many of the same came before it."""
    seen: Counter[bytes] = Counter()
    found = []
    for chunk in chunks:
        digest = original_hash(chunk)
        found.append((digest, seen[digest]))
        seen[digest] += 1
    return found


def place(chunks: Sequence[Chunk], edits: Iterable[ChunkEdit]) -> tuple[list[PlacedChunk], set[int]]:
    """A document's chunks by its edits, and the ids of the edits whose chunk is not among `chunks`."""
    edits = list(edits)
    waiting = {(original_hash(e.original), e.occurrence): e for e in edits if e.kind != "added"}
    placed = []
    for chunk, which in zip(chunks, occurrences(chunks), strict=True):
        edit = waiting.pop(which, None)
        if edit is None:
            placed.append(PlacedChunk(chunk))
        elif edit.kind == "changed":
            placed.append(PlacedChunk(edit.applied(chunk), edit.enabled, edit.id))
    end = max((chunk.end for chunk in chunks), default=0)
    placed.extend(
        PlacedChunk(replace(edit.applied(edit.original), start=end, end=end), edit.enabled, edit.id)
        for edit in edits
        if edit.kind == "added"
    )
    return placed, {edit.id for edit in waiting.values()}


def of_document(connection: Connection, document_id: str) -> list[ChunkEdit]:
    """A document's edits, oldest first."""
    statement = select(chunk_edits).where(chunk_edits.c.document_id == document_id).order_by(chunk_edits.c.id)
    return [_edit(row) for row in connection.execute(statement)]


def add(
    connection: Connection,
    document_id: str,
    kind: EditKind,
    original: Chunk,
    *,
    text: str | None = None,
    enabled: bool = True,
    occurrence: int = 0,
) -> int:
    """Record an edit; its id."""
    values = {
        "document_id": document_id,
        "kind": kind,
        "text": text,
        "enabled": enabled,
        "original": chunk_values.to_values(original),
        "original_hash": original_hash(original),
        "occurrence": occurrence,
        "conflict": False,
        "created_at": now(),
        "updated_at": now(),
    }
    (edit_id,) = connection.execute(insert(chunk_edits).values(values)).inserted_primary_key or (0,)
    return int(edit_id)


def change(connection: Connection, edit_id: int, **values: Any) -> None:
    """Change an edit."""
    connection.execute(
        update(chunk_edits).where(chunk_edits.c.id == edit_id).values(updated_at=now(), **values)
    )


def remove(connection: Connection, edit_id: int) -> None:
    """Forget an edit."""
    connection.execute(delete(chunk_edits).where(chunk_edits.c.id == edit_id))


def note_conflicts(connection: Connection, document_id: str, conflicts: Collection[int]) -> None:
    """Record which of a document's edits have no chunk now."""
    of_document = chunk_edits.c.document_id == document_id
    connection.execute(
        update(chunk_edits).where(of_document).values(conflict=chunk_edits.c.id.in_(conflicts))
    )


def copy(connection: Connection, document_id: str, copy_id: str) -> dict[int, int]:
    """Give another document the same edits; the ids of the copies by those of the originals."""
    copies = {}
    rows = connection.execute(select(chunk_edits).where(chunk_edits.c.document_id == document_id)).all()
    for row in rows:
        values = {**row._mapping, "document_id": copy_id}
        del values["id"]
        (copies[row.id],) = connection.execute(insert(chunk_edits).values(values)).inserted_primary_key or (
            0,
        )
    return copies


def _edit(row: Row[Any]) -> ChunkEdit:
    return ChunkEdit(
        id=row.id,
        document_id=row.document_id,
        kind=row.kind,
        text=row.text,
        enabled=row.enabled,
        original=chunk_values.from_values(row.original),
        occurrence=row.occurrence,
        conflict=row.conflict,
        updated_at=row.updated_at,
        former_ids=tuple(row.former_ids),
    )
