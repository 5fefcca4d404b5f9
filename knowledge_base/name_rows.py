"""The names that documents are known by; in a knowledge base each name leads to one document."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from knowledge_base.clock import now
from knowledge_base.errors import DocumentExistsError
from knowledge_base.tables import document_names, documents


def owner(connection: Connection, knowledge_base_id: int, name: str) -> str | None:
    """Id of the document of this name."""
    statement = select(document_names.c.document_id).where(*_named(knowledge_base_id, name))
    return connection.execute(statement).scalar()


def check_free(connection: Connection, knowledge_base_id: int, name: str, document_id: str) -> None:
    """Raise `DocumentExistsError` when `name` leads to another document than this one."""
    if owner(connection, knowledge_base_id, name) not in {None, document_id}:
        raise DocumentExistsError(f"another document is called {name!r}", name=name)


def give(
    connection: Connection, knowledge_base_id: int, document_id: str, name: str, *, origin: str | None = None
) -> None:
    """Make `name` lead to the document, from wherever it led before.

    `origin` is the folder that a mirror found the file in, None for a file given by hand: a name
    belongs to who gave it last.
    """
    values = {"document_id": document_id, "origin": origin}
    known = connection.execute(
        update(document_names).where(*_named(knowledge_base_id, name)).values(values)
    ).rowcount
    if not known:
        connection.execute(
            insert(document_names).values(
                knowledge_base_id=knowledge_base_id, name=name, created_at=now(), **values
            )
        )


def lead(connection: Connection, knowledge_base_id: int, document_id: str, name: str) -> None:
    """Let a name that there is lead to another document; whose it is stays."""
    connection.execute(
        update(document_names).where(*_named(knowledge_base_id, name)).values(document_id=document_id)
    )


def take(connection: Connection, knowledge_base_id: int, name: str) -> None:
    """Let the name lead nowhere."""
    connection.execute(delete(document_names).where(*_named(knowledge_base_id, name)))


def others(connection: Connection, *conditions: ColumnElement[bool]) -> dict[str, tuple[str, ...]]:
    """Names besides the first, oldest first, by the ids of the documents that meet the conditions."""
    found: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    rows = connection.execute(
        select(document_names.c.document_id, document_names.c.name)
        .join(documents, documents.c.id == document_names.c.document_id)
        .where(document_names.c.name != documents.c.name, *conditions)
        .order_by(document_names.c.created_at, document_names.c.name)
    )
    for document_id, name in rows:
        found[document_id] += (name,)
    return found


def from_folder(connection: Connection, knowledge_base_id: int, origin: str) -> dict[str, str]:
    """Names that a mirror of this folder gave, each with its document's id."""
    statement = select(document_names.c.name, document_names.c.document_id).where(
        document_names.c.knowledge_base_id == knowledge_base_id, document_names.c.origin == origin
    )
    return dict(connection.execute(statement).all())


def _named(knowledge_base_id: int, name: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return document_names.c.knowledge_base_id == knowledge_base_id, document_names.c.name == name
