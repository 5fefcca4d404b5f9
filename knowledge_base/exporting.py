"""Writing a knowledge base into one file that another machine can take in."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import Connection, Row, Table, select

from knowledge_base import file_references
from knowledge_base.catalogue import Catalogue, KnowledgeBaseKey
from knowledge_base.clock import now
from knowledge_base.errors import DataFolderError, FilesMissingError
from knowledge_base.files import FileStore
from knowledge_base.package_files import VERSION, PackageWriter, Progress
from knowledge_base.package_records import (
    CHUNKS,
    DOCUMENTS,
    FILES,
    FORMAT,
    VECTORS,
    ChunkRecord,
    DocumentRecord,
    EditRecord,
    EmbedderRecord,
    KnowledgeBaseManifest,
    NameRecord,
    SettingsRecord,
    VersionRecord,
    record_of,
)
from knowledge_base.snapshots import snapshot
from knowledge_base.tables import (
    chunk_edits,
    chunks,
    document_names,
    document_versions,
    documents,
    knowledge_bases,
    vectors,
)

_BATCH = 500

_Kind = TypeVar("_Kind", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Export:
    """What an export holds, and its size in bytes."""

    documents: int
    chunks: int
    files: int
    size: int


class Exporter:
    """Exports knowledge bases while they are used; memory does not grow with their size."""

    def __init__(self, catalogue: Catalogue, files: FileStore, *, swept: Callable[[set[str]], None]) -> None:
        """`swept` is told the digests of files that may be needed no more."""
        self._catalogue = catalogue
        self._files = files
        self._swept = swept

    def export(
        self,
        name: str,
        target: Path,
        *,
        progress: Progress = lambda _stage, _done, _total: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Export:
        """Write the knowledge base, as it is at this moment, to the file `target`, replacing what is there.

        Raises `KnowledgeBaseNotFoundError`, `FilesMissingError`, `DiskFullError` or `DataFolderError`, and
        `LoadingCancelledError`; nothing is left at `target` then.
        """
        key = self._catalogue.key(name)
        with (
            snapshot(self._catalogue.database, self._files, lambda c: _digests(c, key)) as taken,
            PackageWriter(target, cancelled=cancelled) as package,
        ):
            connection, pinned = taken.connection, taken.files
            if taken.missing:
                names = ", ".join(file_references.names(connection, taken.missing))
                raise FilesMissingError(f"the files of {names} are missing", documents=names)
            row = connection.execute(select(knowledge_bases).where(knowledge_bases.c.id == key.id)).one()
            ids = _chunk_ids(connection, row)
            with package.member(DOCUMENTS) as out:
                count = 0
                for document in _documents(connection, key.id):
                    out.write(_line(document))
                    count += 1
            with package.member(CHUNKS) as out:
                for done, (chunk, _) in enumerate(_chunks(connection, ids), 1):
                    out.write(
                        _line(
                            record_of(
                                ChunkRecord, chunk._asdict(), document=chunk.document_id, edit=chunk.edit_id
                            )
                        )
                    )
                    progress("chunks", done, len(ids))
            size = 0
            with package.member(VECTORS) as out:
                for done, (_, vector) in enumerate(_chunks(connection, ids), 1):
                    size = len(vector)
                    out.write(vector)
                    progress("vectors", done, len(ids))
            digests = sorted(path.name for path in pinned.iterdir())
            for done, digest in enumerate(digests, 1):
                with package.member(FILES + digest) as out:
                    out.write_file(pinned / digest)
                progress("files", done, len(digests))
            package.finish(
                KnowledgeBaseManifest(
                    format=FORMAT,
                    version=VERSION,
                    created_at=now().isoformat(),
                    application=version("zhiwen"),
                    members=package.members,
                    name=row.name,
                    description=row.description,
                    settings=record_of(SettingsRecord, row.settings),
                    knowledge_base_created_at=row.created_at,
                    embedder=EmbedderRecord(fingerprint=row.embedder, dimension=size // 4) if size else None,
                    documents=count,
                    chunks=len(ids),
                )
            )
        self._swept(set(digests))  # what was deleted meanwhile
        return Export(count, len(ids), len(digests), target.stat().st_size)


def _digests(connection: Connection, key: KnowledgeBaseKey) -> set[str]:
    inside = documents.c.knowledge_base_id == key.id
    return set(connection.execute(select(documents.c.sha256).where(inside)).scalars())


def _line(record: BaseModel) -> bytes:
    return record.model_dump_json().encode() + b"\n"


def _documents(connection: Connection, knowledge_base_id: int) -> Iterator[DocumentRecord]:
    inside = documents.c.knowledge_base_id == knowledge_base_id
    ids = connection.execute(select(documents.c.id).where(inside).order_by(documents.c.name)).scalars().all()
    for document_id in ids:
        row = connection.execute(select(documents).where(documents.c.id == document_id)).one()
        yield record_of(
            DocumentRecord,
            row._asdict(),
            names=_of(connection, document_names, NameRecord, document_id),
            versions=_of(connection, document_versions, VersionRecord, document_id),
            edits=_of(connection, chunk_edits, EditRecord, document_id),
        )


def _of(connection: Connection, table: Table, kind: type[_Kind], document_id: str) -> list[_Kind]:
    """A document's rows in another table."""
    rows = connection.execute(
        select(table).where(table.c.document_id == document_id).order_by(*table.primary_key.columns)
    )
    return [record_of(kind, row._asdict()) for row in rows]


def _chunk_ids(connection: Connection, knowledge_base: Row[Any]) -> array[int]:
    """Ids of the chunks that are searched, or would be if they were enabled, in order."""
    statement = select(chunks.c.id).where(
        chunks.c.knowledge_base_id == knowledge_base.id, chunks.c.generation == knowledge_base.generation
    )
    return array("q", sorted(connection.execute(statement).scalars()))


def _chunks(connection: Connection, ids: array[int]) -> Iterator[tuple[Row[Any], bytes]]:
    """The chunks of these ids in order, with their vectors. Raises `DataFolderError` when one is missing."""
    for start in range(0, len(ids), _BATCH):
        batch = ids[start : start + _BATCH]
        rows = connection.execute(
            select(chunks, vectors.c.vector)
            .join(vectors, vectors.c.chunk_id == chunks.c.id)
            .where(chunks.c.id.in_(batch))
            .order_by(chunks.c.id)
        ).all()
        if len(rows) != len(batch):
            raise DataFolderError("a chunk has no vector", reason="zhiwen check")
        for row in rows:
            yield row, row.vector
