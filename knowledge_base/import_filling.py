"""Filling an empty knowledge base with what a package holds, in batches, so that others write in between."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
from sqlalchemy import Connection, insert, select, update

from knowledge_base import chunk_edits as edits_of
from knowledge_base import chunk_rows, chunk_values
from knowledge_base.catalogue import Catalogue, KnowledgeBaseKey, note_change
from knowledge_base.files import FileStore
from knowledge_base.ingestion import COMMIT_CHUNKS, Ingestor
from knowledge_base.package_contents import KnowledgeBasePackage
from knowledge_base.package_files import Progress
from knowledge_base.package_records import FILES, ChunkRecord, DocumentRecord
from knowledge_base.tables import (
    chunk_edits,
    document_names,
    document_versions,
    documents,
    knowledge_bases,
)
from loaders.errors import LoadingCancelledError


@dataclass
class Filled:
    """A knowledge base, and what went into it so far."""

    key: KnowledgeBaseKey
    ids: dict[str, str] = field(default_factory=dict)
    """Ids of documents by those in the package."""
    edits: dict[int, int] = field(default_factory=dict)
    embedded: int = 0


class Filling:
    """Stores the contents of packages that were checked."""

    def __init__(
        self,
        catalogue: Catalogue,
        files: FileStore,
        ingestor: Ingestor,
        *,
        swept: Callable[[set[str]], None],
    ) -> None:
        """`swept` is told digests of files that may be needed no more."""
        self._catalogue = catalogue
        self._database = catalogue.database
        self._files = files
        self._ingestor = ingestor
        self._swept = swept

    def fill(
        self,
        key: KnowledgeBaseKey,
        package: KnowledgeBasePackage,
        *,
        progress: Progress,
        cancelled: Callable[[], bool],
    ) -> Filled:
        """Store what the package holds, in small transactions, and build the index.

        `progress` counts documents and chunks together, first "files" and then "chunks".
        Raises `DiskFullError`, `DataFolderError`, a `ModelError` and `LoadingCancelledError`.
        """
        staged = self._stage(key, package)
        total = package.manifest.documents + package.manifest.chunks
        for done, document in enumerate(package.documents(), 1):
            if cancelled():
                raise LoadingCancelledError("cancelled while importing")
            file = self._files.put(
                document.name, package.blocks(FILES + document.sha256), max_bytes=document.size
            )
            try:
                with self._database.write() as connection:
                    _add_document(connection, staged, document)
                self._files.release(file.sha256)
            except BaseException:
                self._files.release(file.sha256)
                self._swept({file.sha256})
                raise
            progress("files", done, total)
        records = package.chunks()
        embedder = package.manifest.embedder
        known = embedder is not None and embedder.fingerprint == staged.key.embedder
        done = package.manifest.documents
        while batch := list(islice(records, COMMIT_CHUNKS)):
            if cancelled():
                raise LoadingCancelledError("cancelled while importing")
            rows = [_chunk_values(staged, record) for record, _ in batch]
            vectors = (
                np.stack([vector for _, vector in batch])
                if known
                else self._embedded([record for record, _ in batch], cancelled)
            )
            staged.embedded += 0 if known else len(batch)
            with self._database.write() as connection:
                chunk_rows.add_chunks(connection, rows, vectors, embedder=staged.key.embedder)
            done += len(batch)
            progress("chunks", done, total)
        if cancelled():
            raise LoadingCancelledError("cancelled while importing")
        if package.manifest.chunks:
            with self._database.write() as connection:
                # An index that was opened meanwhile has seen only a part.
                note_change(connection, staged.key.id)
            self._ingestor.bring_up_to_date(staged.key)
        return staged

    def _stage(self, key: KnowledgeBaseKey, package: KnowledgeBasePackage) -> Filled:
        """Let a knowledge base that nobody sees yet be what the package says of it."""
        manifest = package.manifest
        self._ingestor.embedding.remember()
        values = {
            "description": manifest.description,
            "created_at": manifest.knowledge_base_created_at,
            "settings": manifest.settings.model_dump(exclude_defaults=True),
            "embedder": self._ingestor.embedding.fingerprint if manifest.embedder else "",
        }
        with self._database.write() as connection:
            connection.execute(update(knowledge_bases).where(knowledge_bases.c.id == key.id).values(values))
        return Filled(self._catalogue.present(key))

    def _embedded(self, records: Sequence[ChunkRecord], cancelled: Callable[[], bool]) -> np.ndarray:
        """Vectors of the embedder in use: shape (len(records), dimension)."""
        chunks = [record.chunk() for record in records]
        vectors = self._ingestor.embedding.embed(chunks, cancelled=cancelled)
        return np.stack([vectors[chunk_values.search_hash(chunk)] for chunk in chunks])


def _add_document(connection: Connection, staged: Filled, document: DocumentRecord) -> None:
    """Store a document without its chunks, under its own id where that is free."""
    taken = select(documents.c.id).where(documents.c.id == document.id)
    new_id = document.id if connection.execute(taken).first() is None else secrets.token_hex(8)
    staged.ids[document.id] = new_id
    own = document.model_dump(exclude={"names", "versions", "edits"})
    connection.execute(insert(documents).values({**own, "id": new_id, "knowledge_base_id": staged.key.id}))
    for name in document.names:
        values = {**name.model_dump(), "knowledge_base_id": staged.key.id, "document_id": new_id}
        connection.execute(insert(document_names).values(values))
    for version in document.versions:
        connection.execute(insert(document_versions).values({**version.model_dump(), "document_id": new_id}))
    for edit in document.edits:
        values = {
            **edit.model_dump(exclude={"id", "original"}),
            "document_id": new_id,
            "original": chunk_values.to_values(edit.original.chunk()),
            "original_hash": edits_of.original_hash(edit.original.chunk()),
        }
        (edit_id,) = connection.execute(insert(chunk_edits).values(values)).inserted_primary_key or (0,)
        staged.edits[edit.id] = int(edit_id)


def _chunk_values(staged: Filled, record: ChunkRecord) -> dict[str, Any]:
    """A chunk's columns."""
    chunk = record.chunk()
    return {
        **chunk_values.to_values(chunk),
        "document_id": staged.ids[record.document],
        "knowledge_base_id": staged.key.id,
        "position": record.position,
        "enabled": record.enabled,
        "edit_id": None if record.edit is None else staged.edits[record.edit],
        "search_hash": chunk_values.search_hash(chunk),
    }
