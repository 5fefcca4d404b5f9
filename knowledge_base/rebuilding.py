"""Reading, splitting and embedding a knowledge base again, behind what is searched meanwhile.

Where the embedder or the pipeline has changed, a new generation of chunks grows beside the one that
is searched, batch by batch; a rebuild that is stopped or killed goes on where it was. Documents that
change meanwhile are read once more. One transaction then makes the new generation the one that is
searched, and the old one is kept, to go back to, until the next rebuild.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, select

from knowledge_base import (
    chunk_editing,
    chunk_rows,
    chunk_values,
    document_rows,
    generation_rows,
    searched_chunks,
)
from knowledge_base.catalogue import Catalogue, KnowledgeBaseKey, note_change
from knowledge_base.document_rows import PreparedDocument
from knowledge_base.embedders import Embedders
from knowledge_base.errors import EmbedderChangedError, NothingKeptError
from knowledge_base.files import FileStore, StoredFile
from knowledge_base.indexes import IndexCache
from knowledge_base.ingestion import COMMIT_CHUNKS, Ingestor, Progress, prepared_document
from knowledge_base.tables import documents
from loaders.document import Problem
from loaders.errors import LoaderError, LoadingCancelledError

logger = logging.getLogger(__name__)

NOT_READ_AGAIN = "not_read_again"
"""Code of the problem of a document that a rebuild left as it was."""

_Staging = Callable[[Sequence[tuple[Row[Any], PreparedDocument]]], None]


class Rebuilder:
    """Rebuilds knowledge bases while they are searched, and takes a rebuild back."""

    def __init__(
        self,
        catalogue: Catalogue,
        files: FileStore,
        indexes: IndexCache,
        ingestor: Ingestor,
        embedders: Embedders,
    ) -> None:
        self._catalogue = catalogue
        self._database = catalogue.database
        self._files = files
        self._indexes = indexes
        self._ingestor = ingestor
        self._embedders = embedders

    def rebuild(
        self,
        key: KnowledgeBaseKey,
        *,
        progress: Callable[[Progress], None] = lambda _: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        """Parse, split and embed every document as the settings are now.

        The old state serves until all is ready, and stays when anything fails: then what is done
        waits for the next try. A document that cannot be read any more keeps the chunks that it has,
        and a problem that says so. Raises `LoadingCancelledError` when cancelled, and a `ModelError`.
        """
        embedder, pipeline = self._ingestor.embedding.fingerprint, self._ingestor.pipeline
        with self._database.read() as connection:
            inside = documents.c.knowledge_base_id == key.id
            rows = connection.execute(select(documents).where(inside).order_by(documents.c.name)).all()
        if rows and key.embedder == embedder and all(row.pipeline == pipeline for row in rows):
            # With the same settings nothing can mix: each document is replaced as soon as it is ready.
            self._read(rows, lambda batch: self._restore(key, batch), progress, cancelled)
            self._discard(key, "building")  # begun with other settings
            self._ingestor.bring_up_to_date(key)
            return
        with self._database.write() as connection:
            key = self._catalogue.locked(connection, key)
            coming = generation_rows.begin(connection, key.id, embedder=embedder, pipeline=pipeline)

        def stage(batch: Sequence[tuple[Row[Any], PreparedDocument]]) -> None:
            with self._database.write() as connection:
                self._catalogue.locked(connection, key)
                for row, document in batch:
                    generation_rows.stage(connection, row, document, coming, pipeline=pipeline)

        self._switch(key, coming, lambda rows: self._read(rows, stage, progress, cancelled))

    def rollback(self, key: KnowledgeBaseKey) -> None:
        """Search again what was searched before the last rebuild, which is kept in its place.

        Documents that came or changed since are taken along as they are split now. Raises
        `NothingKeptError`, and `EmbedderChangedError` when they need the former embedder and it
        cannot be loaded any more.
        """
        with self._database.read() as connection:
            kept = generation_rows.of_state(connection, key.id, "kept")
        if kept is None:
            raise NothingKeptError(f"nothing is kept of {key.name!r} from before a rebuild", name=key.name)
        self._switch(key, kept, lambda rows: self._adopt(key, rows, kept))

    def forget_previous(self, key: KnowledgeBaseKey) -> None:
        """Delete what is kept from before the last rebuild. Raises `NothingKeptError`."""
        if not self._discard(key, "kept"):
            raise NothingKeptError(f"nothing is kept of {key.name!r} from before a rebuild", name=key.name)
        self._embedders.release()

    def _discard(self, key: KnowledgeBaseKey, state: str) -> bool:
        """Delete the generation that is "building" or "kept"; whether there was one."""
        with self._database.write() as connection:
            found = generation_rows.of_state(connection, key.id, state)
            if found is not None:
                generation_rows.discard(connection, key.id, found.number)
        if found is not None:
            self._indexes.drop(key.id, generation=found.number)
        return found is not None

    def _switch(
        self, key: KnowledgeBaseKey, coming: Row[Any], complete: Callable[[list[Row[Any]]], None]
    ) -> None:
        """Have the generation completed until nothing is out of date, then search it."""
        number = coming.number
        while True:
            with self._database.read() as connection:
                rows = generation_rows.outdated(connection, key.id, number)
            complete(rows)
            self._index(key, coming)
            with self._database.write() as connection:
                served = self._catalogue.locked(connection, key)
                if generation_rows.outdated(connection, key.id, number):
                    continue  # changed meanwhile
                kept = generation_rows.of_state(connection, key.id, "kept")
                if kept is not None and kept.number != number:
                    generation_rows.discard(connection, key.id, kept.number)
                generation_rows.switch(connection, coming)
            break
        if kept is not None and kept.number != number:
            self._indexes.drop(key.id, generation=kept.number)
        self._indexes.close(key.id, generation=served.generation)
        present = self._catalogue.present(key)
        self._index(present, coming)
        self._indexes.save(present, wholly=True)
        self._embedders.release()

    def _index(self, key: KnowledgeBaseKey, coming: Row[Any]) -> None:
        """Bring a generation's index up to date, so that no search has to wait for it."""
        with self._database.read() as connection:
            dimension = searched_chunks.dimension(connection, key.id, coming.number)
        if dimension is not None:
            key = replace(key, generation=coming.number, embedder=coming.embedder)
            self._indexes.index(key, dimension=dimension)

    def _read(
        self,
        rows: Sequence[Row[Any]],
        store: _Staging,
        progress: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> None:
        """Read and embed the documents' files, giving them to `store` in batches."""
        batch: list[tuple[Row[Any], PreparedDocument]] = []

        def flush() -> None:
            texts = [chunk for _, document in batch for chunk in document.chunks]
            for row, document in batch:
                texts.extend(self._catalogue.edited(row.knowledge_base_id, document.file, document.chunks))
            vectors = self._ingestor.embedding.embed(texts, cancelled=cancelled)
            store([(row, replace(document, vectors=vectors)) for row, document in batch])
            batch.clear()

        for position, row in enumerate(rows):
            if cancelled():
                raise LoadingCancelledError("cancelled while rebuilding")
            progress(Progress(0, 1, row.name, "rebuild", position, len(rows)))
            file = self._file(row)
            with self._database.read() as connection:
                if not document_rows.unchanged_since(connection, row):
                    continue  # deleted or changed since the list was made
            batch.append((row, self._document(row, file, cancelled)))
            if sum(len(document.chunks) for _, document in batch) >= COMMIT_CHUNKS:
                flush()
        if batch:
            flush()

    def _file(self, row: Row[Any]) -> StoredFile:
        """A document's file; its edits are found by the id, as the name may change meanwhile."""
        path = self._files.path(row.sha256)
        return StoredFile(row.name, row.sha256, row.size, path, replaces=row.id)

    def _document(self, row: Row[Any], file: StoredFile, cancelled: Callable[[], bool]) -> PreparedDocument:
        """What is read from a file now, without vectors; what it has been where it cannot be read."""
        try:
            document, chunks = self._ingestor.read(file, cancelled=cancelled)
        except LoadingCancelledError:
            raise
        except LoaderError as error:
            logger.warning("not read again: %s", getattr(error, "code", ""), extra={"document": row.id})
            stored = self._as_stored(row, file)
            problem = Problem.caused(NOT_READ_AGAIN, error)
            others = (found for found in stored.problems if found.code != NOT_READ_AGAIN)
            return replace(stored, problems=(problem, *others), pipeline=row.pipeline)
        return prepared_document(file, document, chunks, {})

    def _as_stored(self, row: Row[Any], file: StoredFile) -> PreparedDocument:
        """A document as it was read when it was stored, without vectors."""
        with self._database.read() as connection:
            chunks = [chunk for _, chunk in chunk_editing.as_read(connection, row.id)]
        return PreparedDocument(
            file=file,
            format=row.format,
            pages=row.pages,
            problems=tuple(Problem(**problem) for problem in row.problems),
            chunks=chunks,
            vectors={},
        )

    def _restore(self, key: KnowledgeBaseKey, batch: Iterable[tuple[Row[Any], PreparedDocument]]) -> None:
        embedder, pipeline = self._ingestor.embedding.fingerprint, self._ingestor.pipeline
        with self._database.write() as connection:
            if self._catalogue.locked(connection, key).embedder != embedder:
                raise EmbedderChangedError(f"{key.name!r} was rebuilt meanwhile", name=key.name)
            for row, document in batch:
                if document_rows.unchanged_since(connection, row):
                    document_rows.replace(
                        connection, key.id, row.id, document, pipeline=pipeline, embedder=embedder
                    )
            note_change(connection, key.id, embedder=embedder)

    def _adopt(self, key: KnowledgeBaseKey, rows: Sequence[Row[Any]], kept: Row[Any]) -> None:
        """Take documents over into the kept generation as they are split now."""
        for row in rows:
            file = self._file(row)
            document = self._as_stored(row, file)
            texts = [*document.chunks, *self._catalogue.edited(key.id, file, document.chunks)]
            hashes = {chunk_values.search_hash(chunk) for chunk in texts}
            with self._database.read() as connection:
                vectors = chunk_rows.known_vectors(connection, hashes, kept.embedder)
            if hashes - vectors.keys():
                embedder = self._embedders.of(replace(key, embedder=kept.embedder))
                vectors = self._ingestor.embedding.embed(texts, embedder=embedder)
            with self._database.write() as connection:
                document = replace(document, vectors=vectors)
                generation_rows.stage(connection, row, document, kept, pipeline=row.pipeline)
