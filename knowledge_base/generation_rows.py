"""Generations of a knowledge base's chunks: one is searched, one may be in the making, one kept."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, CursorResult, Row, delete, func, insert, literal, select, update

from knowledge_base import document_rows
from knowledge_base.clock import now
from knowledge_base.document_rows import PreparedDocument
from knowledge_base.errors import RebuiltMeanwhileError
from knowledge_base.tables import (
    chunk_edits,
    chunks,
    document_generations,
    documents,
    generations,
    knowledge_bases,
)

_OF_DOCUMENT = ("format", "pages", "problems", "pipeline")


def begin(connection: Connection, knowledge_base_id: int, *, embedder: str, pipeline: str) -> Row[Any]:
    """The generation to be made, as its row: one begun with the same settings goes on, else a new one."""
    building = of_state(connection, knowledge_base_id, "building")
    if building is not None:
        if (building.embedder, building.pipeline) == (embedder, pipeline):
            return building
        discard(connection, knowledge_base_id, building.number)
    highest = select(func.max(generations.c.number)).where(
        generations.c.knowledge_base_id == knowledge_base_id
    )
    served = select(knowledge_bases.c.generation).where(knowledge_bases.c.id == knowledge_base_id)
    number = 1 + max(connection.execute(highest).scalar() or 0, connection.execute(served).scalar() or 0)
    _put(connection, knowledge_base_id, number, "building", embedder, pipeline)
    return _row(connection, knowledge_base_id, number).one()


def of_state(connection: Connection, knowledge_base_id: int, state: str) -> Row[Any] | None:
    """The generation that is "building" or "kept", if there is one."""
    return connection.execute(
        select(generations).where(
            generations.c.knowledge_base_id == knowledge_base_id, generations.c.state == state
        )
    ).first()


def require(connection: Connection, generation: Row[Any]) -> None:
    """See that a generation, whose row was read earlier, is still what it was then.

    Raises `RebuiltMeanwhileError`: another process has taken it into service, or discarded it, and may
    have given its number to another.
    """
    if _row(connection, generation.knowledge_base_id, generation.number).first() != generation:
        raise RebuiltMeanwhileError("another rebuild of the knowledge base came in between")


def discard(connection: Connection, knowledge_base_id: int, number: int) -> None:
    """Delete a generation that is not searched."""
    inside = select(documents.c.id).where(documents.c.knowledge_base_id == knowledge_base_id)
    connection.execute(
        delete(chunks).where(chunks.c.knowledge_base_id == knowledge_base_id, chunks.c.generation == number)
    )
    connection.execute(
        delete(document_generations).where(
            document_generations.c.generation == number, document_generations.c.document_id.in_(inside)
        )
    )
    connection.execute(
        delete(generations).where(
            generations.c.knowledge_base_id == knowledge_base_id, generations.c.number == number
        )
    )


def outdated(connection: Connection, knowledge_base_id: int, number: int) -> list[Row[Any]]:
    """Documents that the generation lacks, or has as they were before they changed."""
    current = (
        (document_generations.c.document_id == documents.c.id)
        & (document_generations.c.generation == number)
        & (document_generations.c.revision == documents.c.revision)
    )
    return list(
        connection.execute(
            select(documents)
            .join(document_generations, current, isouter=True)
            .where(
                documents.c.knowledge_base_id == knowledge_base_id,
                document_generations.c.document_id.is_(None),
            )
            .order_by(documents.c.name)
        )
    )


def stage(
    connection: Connection,
    row: Row[Any],
    document: PreparedDocument,
    generation: Row[Any],
    *,
    pipeline: str,
) -> None:
    """Store a document in a generation that is not searched, unless it has changed since `row` was read.

    Raises `RebuiltMeanwhileError`.
    """
    require(connection, generation)
    if not document_rows.unchanged_since(connection, row):
        return
    _, conflicts = document_rows.lay_edits(
        connection,
        row.knowledge_base_id,
        row.id,
        document.chunks,
        document.vectors,
        embedder=generation.embedder,
        generation=generation.number,
    )
    where = (document_generations.c.document_id == row.id) & (
        document_generations.c.generation == generation.number
    )
    connection.execute(delete(document_generations).where(where))
    connection.execute(
        insert(document_generations).values(
            document_id=row.id,
            generation=generation.number,
            revision=row.revision,
            format=document.format,
            pages=document.pages,
            problems=[problem.stored() for problem in document.problems],
            pipeline=document.pipeline or pipeline,
            conflicts=sorted(conflicts),
        )
    )


def switch(connection: Connection, coming: Row[Any]) -> None:
    """Search a generation that is complete from now on; the one searched until now is kept.

    Raises `RebuiltMeanwhileError`.
    """
    require(connection, coming)
    knowledge_base_id, number = coming.knowledge_base_id, coming.number
    served = connection.execute(
        select(knowledge_bases).where(knowledge_bases.c.id == knowledge_base_id)
    ).one()
    inside = documents.c.knowledge_base_id == knowledge_base_id
    of_inside = select(documents.c.id).where(inside)
    connection.execute(
        # What rebuilds that got in each other's way have left of it
        delete(document_generations).where(
            document_generations.c.generation == served.generation,
            document_generations.c.document_id.in_(of_inside),
        )
    )
    connection.execute(
        insert(document_generations).from_select(
            ["document_id", "generation", "revision", *_OF_DOCUMENT, "conflicts"],
            select(
                documents.c.id,
                literal(served.generation),
                documents.c.revision,
                *(documents.c[name] for name in _OF_DOCUMENT),
                _conflicts(),
            ).where(inside),
        )
    )
    of_coming = (document_generations.c.document_id == documents.c.id) & (
        document_generations.c.generation == number
    )
    values = {
        name: select(document_generations.c[name]).where(of_coming).scalar_subquery() for name in _OF_DOCUMENT
    }
    connection.execute(update(documents).where(inside).values(values))
    connection.execute(
        update(chunk_edits).where(chunk_edits.c.document_id.in_(of_inside)).values(conflict=False)
    )
    staged = (document_generations.c.generation == number) & document_generations.c.document_id.in_(of_inside)
    for (conflicts,) in connection.execute(select(document_generations.c.conflicts).where(staged)).all():
        if conflicts:
            connection.execute(
                update(chunk_edits).where(chunk_edits.c.id.in_(conflicts)).values(conflict=True)
            )
    connection.execute(delete(document_generations).where(staged))
    connection.execute(
        delete(generations).where(
            generations.c.knowledge_base_id == knowledge_base_id, generations.c.number == number
        )
    )
    _put(connection, knowledge_base_id, served.generation, "kept", served.embedder, "")
    connection.execute(
        update(knowledge_bases)
        .where(knowledge_bases.c.id == knowledge_base_id)
        .values(generation=number, embedder=coming.embedder, revision=knowledge_bases.c.revision + 1)
    )


def _row(connection: Connection, knowledge_base_id: int, number: int) -> CursorResult[Any]:
    return connection.execute(
        select(generations).where(
            generations.c.knowledge_base_id == knowledge_base_id, generations.c.number == number
        )
    )


def _conflicts() -> Any:
    """JSON list of the ids of a document's edits in conflict."""
    return (
        select(func.json_group_array(chunk_edits.c.id))
        .where(chunk_edits.c.document_id == documents.c.id, chunk_edits.c.conflict)
        .correlate(documents)
        .scalar_subquery()
    )


def _put(
    connection: Connection, knowledge_base_id: int, number: int, state: str, embedder: str, pipeline: str
) -> None:
    connection.execute(
        insert(generations).values(
            knowledge_base_id=knowledge_base_id,
            number=number,
            state=state,
            embedder=embedder,
            pipeline=pipeline,
            created_at=now(),
        )
    )
