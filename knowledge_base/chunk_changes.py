"""The log of added, changed and deleted chunks that the catalogue's triggers write."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, insert, select

from knowledge_base.tables import chunk_changes, chunks

KEPT = 200_000
"""Entries that are kept; an index that lags further behind is compared with all chunks instead."""


def last(connection: Connection) -> int:
    """Number of the newest entry, 0 when there is none."""
    return connection.execute(select(func.max(chunk_changes.c.number))).scalar() or 0


def since(connection: Connection, knowledge_base_id: int, number: int) -> set[int] | None:
    """Ids of the chunks changed after entry `number`; None where the log does not tell.

    It does not when entries after `number` were forgotten.
    """
    newest = last(connection)
    oldest = connection.execute(select(func.min(chunk_changes.c.number))).scalar() or 1
    if not oldest - 1 <= number <= newest:
        return None
    inside = (chunk_changes.c.knowledge_base_id == knowledge_base_id) & (chunk_changes.c.number > number)
    return set(connection.execute(select(chunk_changes.c.chunk_id).where(inside)).scalars())


def note_document(connection: Connection, document_id: str) -> None:
    """Note all chunks of a document, where what changed is not theirs but is searched with them."""
    rows = select(chunks.c.knowledge_base_id, chunks.c.id).where(chunks.c.document_id == document_id)
    connection.execute(insert(chunk_changes).from_select(["knowledge_base_id", "chunk_id"], rows))


def trim(connection: Connection, *, keep: int = KEPT) -> None:
    """Forget all but the newest entries."""
    connection.execute(delete(chunk_changes).where(chunk_changes.c.number <= last(connection) - keep))
