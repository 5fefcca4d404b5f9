"""What happens to a document after it was stored: renamed, moved, known by fewer names, its versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, delete, select, update

from knowledge_base import chunk_rows, chunk_values, document_rows, name_rows, searched_chunks, version_rows
from knowledge_base.catalogue import Catalogue, KnowledgeBaseKey, note_change
from knowledge_base.chunk_editing import Embed
from knowledge_base.clock import now
from knowledge_base.embedders import Embedders
from knowledge_base.errors import (
    DocumentNotFoundError,
    EmbedderChangedError,
    KnowledgeBaseNotFoundError,
)
from knowledge_base.names import document_name, sought
from knowledge_base.tables import chunks, document_generations, document_names, documents, knowledge_bases
from knowledge_base.types import DocumentInfo, DocumentVersion


class DocumentLifecycle:
    """Changes documents without reading them. Every method is one transaction.

    `swept` is told the digests of files that may be needed no more. Methods raise
    `KnowledgeBaseNotFoundError` and `DocumentNotFoundError`.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        embed: Embed,
        embedders: Embedders,
        swept: Callable[[set[str]], None],
    ) -> None:
        self._catalogue = catalogue
        self._database = catalogue.database
        self._embed = embed
        self._embedders = embedders
        self._swept = swept

    def find(self, knowledge_base: str, document: str) -> str:
        """The id of a document, given by it or by one of its names."""
        key = self._catalogue.key(knowledge_base)
        wanted = sought(document)
        with self._database.read() as connection:
            inside = documents.c.knowledge_base_id == key.id
            by_id = select(documents.c.id).where(inside, documents.c.id == wanted)
            found = connection.execute(by_id).scalar() or name_rows.owner(connection, key.id, wanted)
        if found is None:
            raise DocumentNotFoundError(f"there is no document {document!r}", id=document)
        return str(found)

    def check_free(self, knowledge_base: str, name: str, document_id: str) -> None:
        """Raise `DocumentExistsError` when `name` leads to another document than this one."""
        key = self._catalogue.key(knowledge_base)
        with self._database.read() as connection:
            name_rows.check_free(connection, key.id, sought(name), document_id)

    def versions(self, knowledge_base: str, document_id: str) -> list[DocumentVersion]:
        """What the document has been, its present self first."""
        key = self._catalogue.key(knowledge_base)
        with self._database.read() as connection:
            _row(connection, key.id, document_id)
            return version_rows.of_document(connection, document_id)

    def rename(self, knowledge_base: str, document_id: str, name: str) -> DocumentInfo:
        """Give a document another first name; the old one leads nowhere then.

        Raises `DocumentExistsError` when another document goes by that name, and `InvalidNameError`.
        """
        name = document_name(name)
        key = self._catalogue.key(knowledge_base)
        with self._database.write() as connection:
            _rename(connection, key.id, _row(connection, key.id, document_id), name)
            return document_rows.info(connection, key.id, document_id)

    def move(
        self, knowledge_base: str, document_id: str, target: str, *, name: str | None = None
    ) -> DocumentInfo:
        """Bring a document, with its names, edits and vectors, into another knowledge base.

        There it is renamed to `name`, when one is given; where it cannot be, it stays. Where the other
        knowledge base has another embedder, the text is embedded again. Raises `DocumentExistsError`
        when one of its names, or `name`, is taken there, `InvalidNameError`, `EmbedderChangedError` when
        that embedder cannot be loaded any more, and a `ModelError`.
        """
        name = None if name is None else document_name(name)
        source, goal = self._catalogue.key(knowledge_base), self._catalogue.key(target)
        if goal.embedder in {"", source.embedder}:
            return self._move(source, goal, document_id, name, {})
        embedder = self._embedders.of(goal)
        with self._database.read() as connection:
            _row(connection, source.id, document_id)
            rows = searched_chunks.document_chunks(connection, document_id)
        vectors = self._embed([chunk_values.to_chunk(row) for row in rows], embedder=embedder)
        return self._move(source, goal, document_id, name, vectors)

    def _move(
        self,
        source: KnowledgeBaseKey,
        goal: KnowledgeBaseKey,
        document_id: str,
        name: str | None,
        vectors: Mapping[bytes, np.ndarray],
    ) -> DocumentInfo:
        with self._database.write() as connection:
            row = _row(connection, source.id, document_id)
            if source.id != goal.id:
                _bring(connection, source, goal, document_id, vectors)
            if name is not None:
                _rename(connection, goal.id, row, name)
            return document_rows.info(connection, goal.id, document_id)

    def delete_name(
        self,
        knowledge_base: str,
        name: str,
        *,
        document_id: str | None = None,
        origin: str | None = None,
    ) -> str:
        """Let a name lead nowhere; its document goes when it has no other. Returns the document's id.

        With `document_id`, only where the name leads to that document; with `origin`, only where the
        mirror of that folder gave it last.
        """
        name = sought(name)
        key = self._catalogue.key(knowledge_base)
        with self._database.write() as connection:
            owner = name_rows.owner(connection, key.id, name)
            mirrored = origin is None or name in name_rows.from_folder(connection, key.id, origin)
            if owner is None or document_id not in {None, owner} or not mirrored:
                raise DocumentNotFoundError(f"there is no document {name!r}", id=name)
            row = _row(connection, key.id, owner)
            further = name_rows.others(connection, documents.c.id == owner).get(owner, ())
            name_rows.take(connection, key.id, name)
            if not further:
                connection.execute(delete(documents).where(documents.c.id == owner))
                note_change(connection, key.id)
            elif name == row.name:
                document_rows.set_name(connection, owner, further[0])
                note_change(connection, key.id)
        if not further:
            self._swept({row.sha256})
        return owner

    def digests(self, knowledge_base: str) -> dict[str, str]:
        """The SHA-256 of what each name leads to; nothing where there is no such knowledge base."""
        inside = knowledge_bases.c.name == sought(knowledge_base)
        with self._database.read() as connection:
            rows = connection.execute(
                select(document_names.c.name, documents.c.sha256)
                .join(documents, documents.c.id == document_names.c.document_id)
                .join(knowledge_bases, knowledge_bases.c.id == documents.c.knowledge_base_id)
                .where(inside)
            )
            return dict(rows.all())

    def names_from(self, knowledge_base: str, folder: str) -> dict[str, str]:
        """Names that a mirror of `folder` gave, each with its document's id.

        Empty where there is no such knowledge base yet.
        """
        try:
            key = self._catalogue.key(knowledge_base)
        except KnowledgeBaseNotFoundError:
            return {}
        with self._database.read() as connection:
            return name_rows.from_folder(connection, key.id, folder)


def _row(connection: Connection, knowledge_base_id: int, document_id: str) -> Row[Any]:
    inside = documents.c.knowledge_base_id == knowledge_base_id
    row = connection.execute(select(documents).where(inside, documents.c.id == document_id)).first()
    if row is None:
        raise DocumentNotFoundError(f"there is no document {document_id!r}", id=document_id)
    return row


def _knowledge_base(connection: Connection, knowledge_base_id: int) -> Row[Any]:
    row = connection.execute(select(knowledge_bases).where(knowledge_bases.c.id == knowledge_base_id)).first()
    if row is None:
        raise KnowledgeBaseNotFoundError("the knowledge base was deleted meanwhile", name="")
    return row


def _rename(connection: Connection, knowledge_base_id: int, row: Row[Any], name: str) -> None:
    if name != row.name:
        name_rows.check_free(connection, knowledge_base_id, name, row.id)
        document_rows.rename(connection, knowledge_base_id, row.id, row.name, name)
        note_change(connection, knowledge_base_id)


def _bring(
    connection: Connection,
    source: KnowledgeBaseKey,
    goal: KnowledgeBaseKey,
    document_id: str,
    vectors: Mapping[bytes, np.ndarray],
) -> None:
    here, there = _knowledge_base(connection, source.id), _knowledge_base(connection, goal.id)
    if there.embedder != goal.embedder or (there.embedder and here.embedder != source.embedder):
        raise EmbedderChangedError(f"{goal.name!r} was rebuilt meanwhile", name=goal.name)
    of_document = document_names.c.document_id == document_id
    for name in connection.execute(select(document_names.c.name).where(of_document)).scalars().all():
        name_rows.check_free(connection, goal.id, name, document_id)
    connection.execute(update(document_names).where(of_document).values(knowledge_base_id=goal.id))
    connection.execute(
        update(documents)
        .where(documents.c.id == document_id)
        .values(knowledge_base_id=goal.id, updated_at=now(), revision=documents.c.revision + 1)
    )
    _move_chunks(connection, document_id, here, there)
    if vectors:
        chunk_rows.replace_vectors(connection, document_id, vectors, embedder=there.embedder)
    note_change(connection, source.id)
    note_change(connection, goal.id, embedder=there.embedder or here.embedder)


def _move_chunks(
    connection: Connection,
    document_id: str,
    here: Row[Any],
    there: Row[Any],
) -> None:
    of_document = chunks.c.document_id == document_id
    # What a rebuild made of it, or kept, belongs to the knowledge base that it leaves.
    connection.execute(delete(chunks).where(of_document, chunks.c.generation != here.generation))
    connection.execute(delete(document_generations).where(document_generations.c.document_id == document_id))
    connection.execute(
        update(chunks).where(of_document).values(knowledge_base_id=there.id, generation=there.generation)
    )
