"""The catalogue of knowledge bases and documents: the truth that every index is rebuilt from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, ScalarSelect, Table, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from knowledge_base import chunk_edits, document_rows, file_references, name_rows
from knowledge_base.clock import now
from knowledge_base.database import Database
from knowledge_base.document_rows import PreparedDocument
from knowledge_base.errors import (
    DocumentNotFoundError,
    EmbedderChangedError,
    KnowledgeBaseExistsError,
    KnowledgeBaseNotFoundError,
)
from knowledge_base.files import StoredFile
from knowledge_base.names import knowledge_base_name, sought
from knowledge_base.tables import chunks, documents, job_files, jobs, knowledge_bases
from knowledge_base.types import DocumentInfo, KnowledgeBaseInfo
from loaders.document import Chunk

_PROMPT = "prompt"
"""Key among the settings of a knowledge base."""


@dataclass(frozen=True, slots=True)
class KnowledgeBaseKey:
    """How the inside names a knowledge base, and what its index must agree with."""

    id: int
    name: str
    revision: int
    embedder: str
    generation: int
    """The generation of its chunks: that which is searched, unless a rebuild asks for the next."""


class Catalogue:
    """Reads and writes knowledge bases and documents; every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def create(self, name: str, description: str = "") -> KnowledgeBaseKey:
        """Make a knowledge base. Raises `KnowledgeBaseExistsError` or `InvalidNameError`."""
        name = knowledge_base_name(name)
        try:
            with self.database.write() as connection:
                connection.execute(
                    insert(knowledge_bases).values(name=name, description=description, created_at=now())
                )
        except IntegrityError as error:
            raise KnowledgeBaseExistsError(f"knowledge base {name!r} is there already", name=name) from error
        return self.key(name)

    def ensure(self, name: str) -> KnowledgeBaseKey:
        """Make the knowledge base when it is missing."""
        try:
            return self.key(knowledge_base_name(name))
        except KnowledgeBaseNotFoundError:
            try:
                return self.create(name)
            except KnowledgeBaseExistsError:  # another process was quicker
                return self.key(knowledge_base_name(name))

    def key(self, name: str) -> KnowledgeBaseKey:
        """Look a knowledge base up. Raises `KnowledgeBaseNotFoundError`."""
        with self.database.read() as connection:
            return _key(connection, _is_named(name), name=name)

    def present(self, key: KnowledgeBaseKey) -> KnowledgeBaseKey:
        """The key as it is now, also after a rename. Raises `KnowledgeBaseNotFoundError`."""
        with self.database.read() as connection:
            return _key(connection, knowledge_bases.c.id == key.id, name=key.name)

    def keys(self) -> list[KnowledgeBaseKey]:
        """All knowledge bases, by age."""
        with self.database.read() as connection:
            ids = connection.execute(select(knowledge_bases.c.id).order_by(knowledge_bases.c.id)).scalars()
            return [_key(connection, knowledge_bases.c.id == id, name="") for id in list(ids)]

    def knowledge_bases(self) -> list[KnowledgeBaseInfo]:
        """All knowledge bases by name, without those that only one conversation uses."""
        with self.database.read() as connection:
            return _infos(connection, knowledge_bases.c.session_id.is_(None))

    def knowledge_base(self, name: str) -> KnowledgeBaseInfo:
        """One knowledge base. Raises `KnowledgeBaseNotFoundError`."""
        with self.database.read() as connection:
            for info in _infos(connection, _is_named(name)):
                return info
        raise KnowledgeBaseNotFoundError(f"there is no knowledge base {name!r}", name=name)

    def prompts(self, names: Collection[str]) -> dict[str, str]:
        """The instructions that some of these knowledge bases have of their own."""
        statement = select(knowledge_bases.c.name, knowledge_bases.c.settings)
        with self.database.read() as connection:
            rows = connection.execute(statement.where(knowledge_bases.c.name.in_(map(sought, names))))
            stored = {row.name: row.settings.get(_PROMPT) for row in rows}
        return {name: prompt for name in names if (prompt := stored.get(sought(name)))}

    def update(
        self,
        name: str,
        *,
        new_name: str | None = None,
        description: str | None = None,
        prompt: str | None = None,
    ) -> str:
        """Rename or describe a knowledge base; returns the name it has then.

        `prompt` is its own instructions for language models; empty takes them away.
        """
        key = self.key(name)
        this = knowledge_bases.c.id == key.id
        values: dict[str, Any] = {}
        if new_name is not None:
            values["name"] = knowledge_base_name(new_name)
        if description is not None:
            values["description"] = description
        if prompt is None and not values:
            return key.name
        try:
            with self.database.write() as connection:
                self.locked(connection, key)
                if prompt is not None:
                    found = connection.execute(select(knowledge_bases.c.settings).where(this)).scalar_one()
                    values["settings"] = {k: v for k, v in found.items() if k != _PROMPT} | (
                        {_PROMPT: prompt} if prompt else {}
                    )
                connection.execute(update(knowledge_bases).where(this).values(values))
        except IntegrityError as error:
            raise KnowledgeBaseExistsError(
                f"knowledge base {new_name!r} is there already", name=new_name
            ) from error
        return str(values.get("name", key.name))

    def delete(self, name: str) -> tuple[KnowledgeBaseKey, set[str]]:
        """Delete a knowledge base; returns its key and the digests of the files that it used."""
        key = self.key(name)
        used = select(documents.c.sha256).where(documents.c.knowledge_base_id == key.id)
        waiting = select(job_files.c.sha256).join(jobs).where(jobs.c.knowledge_base_id == key.id)
        with self.database.write() as connection:
            digests = set(connection.execute(used.union(waiting)).scalars())
            connection.execute(delete(knowledge_bases).where(knowledge_bases.c.id == key.id))
        return key, digests

    def documents(self, knowledge_base_id: int) -> list[DocumentInfo]:
        """A knowledge base's documents by name."""
        with self.database.read() as connection:
            return document_rows.infos(connection, documents.c.knowledge_base_id == knowledge_base_id)

    def document(self, knowledge_base_id: int, document_id: str) -> DocumentInfo:
        """One document. Raises `DocumentNotFoundError`."""
        with self.database.read() as connection:
            return document_rows.info(connection, knowledge_base_id, document_id)

    def stored_sha256(self, knowledge_base_id: int, document_id: str) -> str:
        """Digest of the document's file. Raises `DocumentNotFoundError`."""
        with self.database.read() as connection:
            digest = connection.execute(
                select(documents.c.sha256).where(
                    documents.c.knowledge_base_id == knowledge_base_id, documents.c.id == document_id
                )
            ).scalar()
        if digest is None:
            raise DocumentNotFoundError(f"there is no document {document_id!r}", id=document_id)
        return str(digest)

    def digests(self, knowledge_base_id: int, files: Collection[StoredFile]) -> set[str]:
        """Digests of what the documents that these files may replace have now."""
        with self.database.read() as connection:
            ids = {name_rows.owner(connection, knowledge_base_id, file.name) for file in files}
            ids = (ids | {file.replaces for file in files}) - {None}
            if not ids:
                return set()
            inside = documents.c.knowledge_base_id == knowledge_base_id
            found = select(documents.c.sha256).where(inside, documents.c.id.in_(ids))
            return set(connection.execute(found).scalars())

    def recognise(self, knowledge_base_id: int, file: StoredFile, pipeline: str) -> DocumentInfo | None:
        """The document that has the file's bytes, through the same pipeline, already.

        It goes by the file's name as well from now on.
        """
        with self.database.read() as connection:
            if _recognised(connection, knowledge_base_id, file, pipeline) is None:
                return None
        with self.database.write() as connection:
            document_id = _recognised(connection, knowledge_base_id, file, pipeline)
            if document_id is None:
                return None
            if not file.replaces:
                name_rows.give(connection, knowledge_base_id, document_id, file.name, origin=file.origin)
            return document_rows.info(connection, knowledge_base_id, document_id)

    def edited(self, knowledge_base_id: int, file: StoredFile, read: Sequence[Chunk]) -> list[Chunk]:
        """The texts by hand that will stand among the chunks `read` from a file, to be embedded too."""
        with self.database.read() as connection:
            document_id = file.replaces or name_rows.owner(connection, knowledge_base_id, file.name)
            if document_id is None:
                return []
            placed, _ = chunk_edits.place(read, chunk_edits.of_document(connection, document_id))
        return [item.chunk for item in placed if item.edit_id is not None]

    def commit(
        self, key: KnowledgeBaseKey, prepared: Sequence[PreparedDocument], *, pipeline: str, embedder: str
    ) -> list[DocumentInfo]:
        """Store documents with their chunks and vectors, all or none.

        A document of the same name is replaced and keeps its id, and so does one with the same bytes
        that went through an older pipeline. Raises `KnowledgeBaseNotFoundError`, and
        `EmbedderChangedError` when the knowledge base has come to hold another embedder's vectors.
        """
        with self.database.write() as connection:
            present = _key(connection, knowledge_bases.c.id == key.id, name=key.name)
            if present.embedder not in {"", embedder}:
                raise _embedder_changed(present)
            ids = []
            for document in prepared:
                document_id = document_rows.store(
                    connection, key.id, document, pipeline=pipeline, embedder=embedder
                )
                ids.append(document_id)
            note_change(connection, key.id, embedder=embedder)
            return [document_rows.info(connection, key.id, document_id) for document_id in ids]

    def delete_document(self, knowledge_base_id: int, document_id: str) -> None:
        """Delete a document with its chunks. Raises `DocumentNotFoundError`."""
        with self.database.write() as connection:
            gone = connection.execute(
                delete(documents).where(
                    documents.c.knowledge_base_id == knowledge_base_id, documents.c.id == document_id
                )
            )
            if not gone.rowcount:
                raise DocumentNotFoundError(f"there is no document {document_id!r}", id=document_id)
            note_change(connection, knowledge_base_id)

    def locked(self, connection: Connection, key: KnowledgeBaseKey) -> KnowledgeBaseKey:
        """The key as it is in this transaction. Raises `KnowledgeBaseNotFoundError`."""
        return _key(connection, knowledge_bases.c.id == key.id, name=key.name)

    def unreferenced(self, digests: set[str]) -> set[str]:
        """Those of `digests` that no document and no job needs."""
        with self.database.read() as connection:
            return digests - file_references.referenced_among(connection, digests)

    def referenced(self) -> set[str]:
        """Digests of the files that a document needs, or a job that goes on or may be tried again."""
        with self.database.read() as connection:
            return file_references.referenced(connection)


def _recognised(
    connection: Connection, knowledge_base_id: int, file: StoredFile, pipeline: str
) -> str | None:
    found = document_rows.repeated(connection, knowledge_base_id, file)
    return found.id if found is not None and found.pipeline == pipeline else None


def _key(connection: Connection, condition: ColumnElement[bool], *, name: str) -> KnowledgeBaseKey:
    row = connection.execute(select(knowledge_bases).where(condition)).first()
    if row is None:
        raise KnowledgeBaseNotFoundError(f"there is no knowledge base {name!r}", name=name)
    return KnowledgeBaseKey(row.id, row.name, row.revision, row.embedder, row.generation)


def _embedder_changed(key: KnowledgeBaseKey) -> EmbedderChangedError:
    return EmbedderChangedError(
        f"{key.name!r} holds vectors of another embedder; rebuild it first", name=key.name
    )


def _is_named(name: str) -> ColumnElement[bool]:
    return knowledge_bases.c.name == sought(name)


def _infos(connection: Connection, *conditions: ColumnElement[bool]) -> list[KnowledgeBaseInfo]:
    def count(table: Table, *matching: ColumnElement[bool]) -> ScalarSelect[int]:
        inside = table.c.knowledge_base_id == knowledge_bases.c.id
        counted = select(func.count()).select_from(table).where(inside, *matching)
        return counted.correlate(knowledge_bases).scalar_subquery()

    statement = select(
        knowledge_bases,
        count(documents).label("documents"),
        count(chunks, chunks.c.generation == knowledge_bases.c.generation).label("chunks"),
    ).where(*conditions)
    rows = connection.execute(statement.order_by(knowledge_bases.c.name))
    return [
        KnowledgeBaseInfo(
            row.name,
            row.description,
            row.documents,
            row.chunks,
            row.created_at,
            row.settings.get(_PROMPT, ""),
        )
        for row in rows
    ]


def note_change(connection: Connection, knowledge_base_id: int, *, embedder: str | None = None) -> None:
    """Count a commit that changed chunks, so that the index catches up."""
    values: dict[str, Any] = {"revision": knowledge_bases.c.revision + 1}
    if embedder is not None:
        values["embedder"] = embedder
    connection.execute(
        update(knowledge_bases).where(knowledge_bases.c.id == knowledge_base_id).values(values)
    )
