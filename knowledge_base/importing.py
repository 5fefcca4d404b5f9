"""Taking in an exported knowledge base: all of it, or nothing.

Everything is checked before anything is stored. Then it grows, batch by batch, as a knowledge base
that no listing shows; one short transaction at the end gives it its name. What a killed import has
left is deleted by the next import or start.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from knowledge_base import chunk_edits as edits_of
from knowledge_base import chunk_rows, chunk_values
from knowledge_base.catalogue import Catalogue, KnowledgeBaseKey
from knowledge_base.errors import (
    KnowledgeBaseError,
    KnowledgeBaseExistsError,
    KnowledgeBaseNotFoundError,
    PackageError,
    storage_error,
)
from knowledge_base.files import FileStore
from knowledge_base.ingestion import COMMIT_CHUNKS, Ingestor
from knowledge_base.names import knowledge_base_name
from knowledge_base.package_contents import KnowledgeBasePackage
from knowledge_base.package_files import Progress
from knowledge_base.package_records import FILES, ChunkRecord, DocumentRecord, EmbedderRecord
from knowledge_base.runner_lock import RunnerLock
from knowledge_base.tables import (
    chunk_edits,
    document_names,
    document_versions,
    documents,
    knowledge_bases,
)
from loaders.errors import LoadingCancelledError

logger = logging.getLogger(__name__)

_OWNER = "import:"
"""What `knowledge_bases.session_id` begins with while it is an import's; its lock's id follows."""


@dataclass(frozen=True, slots=True)
class Import:
    """What was taken in. `renamed` has the new ids of documents whose own were taken, by those."""

    name: str
    documents: int
    chunks: int
    embedded: int
    """Chunks that were embedded, because the package's vectors are of another embedder."""
    renamed: dict[str, str]


@dataclass
class _Staged:
    """A knowledge base on its way in."""

    key: KnowledgeBaseKey
    ids: dict[str, str] = field(default_factory=dict)
    """Ids of documents by those in the package."""
    edits: dict[int, int] = field(default_factory=dict)
    embedded: int = 0


class Importer:
    """Imports knowledge bases while others are used."""

    def __init__(
        self,
        catalogue: Catalogue,
        files: FileStore,
        ingestor: Ingestor,
        *,
        locks: Path,
        delete: Callable[[str], None],
        swept: Callable[[set[str]], None],
    ) -> None:
        """`locks` is the folder of signs of life.

        `delete` deletes a knowledge base by name, with its index and files; `swept` is told digests
        of files that may be needed no more.
        """
        self._catalogue = catalogue
        self._database = catalogue.database
        self._files = files
        self._ingestor = ingestor
        self._locks = locks
        self._delete = delete
        self._swept = swept

    def import_package(
        self,
        file: Path | BinaryIO,
        *,
        name: str | None = None,
        progress: Progress = lambda _stage, _done, _total: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Import:
        """Take in the package `file` under its own name, or another one.

        Documents keep their ids where those are free. Nothing is read again, and nothing embedded
        when the vectors are of the embedder in use. Raises `PackageError`, `PackageVersionError`,
        `KnowledgeBaseExistsError`, `InvalidNameError`, `DiskFullError` or `DataFolderError`, a
        `ModelError`, and `LoadingCancelledError`; nothing remains then.
        """
        with closing(KnowledgeBasePackage(file)) as package:
            name = knowledge_base_name(package.manifest.name if name is None else name)
            self._check_free(name)
            package.check(progress=progress, cancelled=cancelled)
            self._check_embedder(package.manifest.embedder)
            with self._lock() as owner:
                self.clear_left(owner)
                staged = self._stage(package, owner)
                try:
                    self._fill(staged, package, progress, cancelled)
                    self._publish(staged, name)
                except BaseException:
                    self._discard(staged.key.name)
                    raise
            return Import(
                name=name,
                documents=package.manifest.documents,
                chunks=package.manifest.chunks,
                embedded=staged.embedded,
                renamed={old: new for old, new in staged.ids.items() if old != new},
            )

    def clear_left(self, lock: RunnerLock | None = None) -> int:
        """Delete what imports that were killed have left; how many there were."""
        lock = lock or RunnerLock(self._locks)
        left = select(knowledge_bases.c.name, knowledge_bases.c.session_id).where(
            knowledge_bases.c.session_id.startswith(_OWNER)
        )
        with self._database.read() as connection:
            rows = connection.execute(left).all()
        dead = [name for name, owner in rows if lock.gone(owner.removeprefix(_OWNER))]
        for name in dead:
            self._discard(name)
        return len(dead)

    @contextmanager
    def _lock(self) -> Iterator[RunnerLock]:
        lock = RunnerLock(self._locks)
        try:
            lock.acquire()
        except OSError as error:
            raise storage_error(f"cannot lock in {self._locks}", error) from error
        try:
            yield lock
        finally:
            lock.release()

    def _check_free(self, name: str) -> None:
        try:
            self._catalogue.key(name)
        except KnowledgeBaseNotFoundError:
            return
        raise KnowledgeBaseExistsError(f"knowledge base {name!r} is there already", name=name)

    def _check_embedder(self, embedder: EmbedderRecord | None) -> None:
        if embedder is None or embedder.fingerprint != self._ingestor.fingerprint:
            return
        if embedder.dimension != self._ingestor.dimension:
            raise PackageError("vectors of another length", finding="package_vectors")

    def _stage(self, package: KnowledgeBasePackage, owner: RunnerLock) -> _Staged:
        """Make the knowledge base that nobody sees yet."""
        manifest = package.manifest
        self._ingestor.remember_embedder()
        embedder = self._ingestor.fingerprint if manifest.embedder else ""
        name = f"import-{secrets.token_hex(16)}"
        with self._database.write() as connection:
            connection.execute(
                insert(knowledge_bases).values(
                    name=name,
                    description=manifest.description,
                    created_at=manifest.knowledge_base_created_at,
                    settings=manifest.settings,
                    session_id=_OWNER + owner.id,
                    embedder=embedder,
                )
            )
        return _Staged(self._catalogue.key(name))

    def _fill(
        self,
        staged: _Staged,
        package: KnowledgeBasePackage,
        progress: Progress,
        cancelled: Callable[[], bool],
    ) -> None:
        total = package.manifest.documents
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
        done, total = 0, package.manifest.chunks
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
        if total:
            self._ingestor.bring_up_to_date(staged.key)

    def _embedded(self, records: Sequence[ChunkRecord], cancelled: Callable[[], bool]) -> np.ndarray:
        """Vectors of the embedder in use: shape (len(records), dimension)."""
        chunks = [record.chunk() for record in records]
        vectors = self._ingestor.embed(chunks, cancelled=cancelled)
        return np.stack([vectors[chunk_values.search_hash(chunk)] for chunk in chunks])

    def _publish(self, staged: _Staged, name: str) -> None:
        try:
            with self._database.write() as connection:
                connection.execute(
                    update(knowledge_bases)
                    .where(knowledge_bases.c.id == staged.key.id)
                    .values(name=name, session_id=None)
                )
        except IntegrityError as error:
            raise KnowledgeBaseExistsError(f"knowledge base {name!r} is there already", name=name) from error

    def _discard(self, name: str) -> None:
        try:
            self._delete(name)
        except KnowledgeBaseError as error:  # a full disk, perhaps; nobody sees it meanwhile
            logger.warning("what an import left is deleted later: %s", error.code)


def _add_document(connection: Connection, staged: _Staged, document: DocumentRecord) -> None:
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


def _chunk_values(staged: _Staged, record: ChunkRecord) -> dict[str, Any]:
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
