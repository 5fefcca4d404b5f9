"""The versions of documents in the catalogue."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from knowledge_base.clock import now
from knowledge_base.files import StoredFile
from knowledge_base.tables import document_versions
from knowledge_base.types import DocumentVersion


def record(connection: Connection, document_id: str, file: StoredFile, *, pages: int, chunks: int) -> None:
    """Note a document's present self: a new version where its bytes are new, else the last one again."""
    last = _last(connection, document_id)
    counts = {"pages": pages, "chunks": chunks}
    if last is not None and last.sha256 == file.sha256:
        connection.execute(
            update(document_versions)
            .where(document_versions.c.document_id == document_id, document_versions.c.number == last.number)
            .values(counts)
        )
        return
    number = last.number + 1 if last is not None else 1
    values = {"name": file.name, "sha256": file.sha256, "size": file.size, "created_at": now()}
    connection.execute(
        insert(document_versions).values(document_id=document_id, number=number, **values, **counts)
    )


def copy_last(connection: Connection, document_id: str, copy_id: str, *, name: str) -> None:
    """Let another document begin with the version that this one has now."""
    last = _last(connection, document_id)
    if last is not None:
        values = {field: getattr(last, field) for field in last.__dataclass_fields__}
        values.update(document_id=copy_id, number=1, name=name)
        connection.execute(insert(document_versions).values(values))


def of_document(connection: Connection, document_id: str) -> list[DocumentVersion]:
    """A document's versions, newest first."""
    statement = (
        select(*(document_versions.c[field] for field in DocumentVersion.__dataclass_fields__))
        .where(document_versions.c.document_id == document_id)
        .order_by(document_versions.c.number.desc())
    )
    return [DocumentVersion(*row) for row in connection.execute(statement)]


def _last(connection: Connection, document_id: str) -> DocumentVersion | None:
    return next(iter(of_document(connection, document_id)), None)
