"""Whether what is stored can be read, and saving what can."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Table, delete, select
from sqlalchemy.exc import IntegrityError

from knowledge_base.database import Database
from knowledge_base.errors import CatalogueDamagedError
from knowledge_base.files import FileStore, link_or_copy
from knowledge_base.tables import chunk_changes, chunks, documents, knowledge_bases, metadata, vectors

_ROWS = 200
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is damaged. What the catalogue still tells of its document is given."""

    code: Literal["catalogue", "document", "file_missing", "file_damaged"]
    detail: str
    knowledge_base: str = ""
    document: str = ""
    document_id: str = ""
    file: str = ""
    """Where the document's own file stands, to be taken in anew."""


@dataclass(frozen=True, slots=True)
class Rescue:
    """What could be saved: numbers of rows and documents, and the documents that could not."""

    rows: int
    documents: int
    lost: tuple[Finding, ...]


class Integrity:
    """Checks the catalogue and the files of a data folder; nothing of it is changed."""

    def __init__(self, database: Database, files: FileStore) -> None:
        self._database = database
        self._files = files

    def check(self, *, deep: bool = False) -> list[Finding]:
        """What is damaged: reads the catalogue and every document in it, `deep` every file too."""
        found = [Finding("catalogue", line) for line in self._database.quick_check()]
        for row in self._documents():
            path = self._files.path(row["sha256"])
            about = {
                "knowledge_base": self._name(row["knowledge_base_id"]),
                "document": str(row["name"]),
                "document_id": str(row["id"]),
                "file": str(path),
            }
            problem = self._document_problem(row["id"])
            if problem:
                found.append(Finding("document", problem, **about))
            if not path.is_file():
                found.append(Finding("file_missing", "the file is not there", **about))
            elif path.stat().st_size != row["size"] or (deep and _digest(path) != row["sha256"]):
                found.append(Finding("file_damaged", "the file is not what was stored", **about))
        return found

    def rescue(self, folder: Path) -> Rescue:
        """Copy all that can be read into a new data folder. Documents that lost a part are left out."""
        if folder.exists() and any(folder.iterdir()):
            raise FileExistsError(f"{folder} is not empty")
        damaged = [finding for finding in self.check() if finding.document_id]
        target = Database(folder / "catalogue.db")
        try:
            rows = 0
            for table in metadata.sorted_tables:
                if table is not chunk_changes:
                    rows += self._copy(table, target)
            lost = {finding.document_id for finding in damaged if finding.code == "document"}
            with target.write() as connection:
                bare = select(chunks.c.document_id).where(chunks.c.id.not_in(select(vectors.c.chunk_id)))
                lost.update(connection.execute(bare).scalars())
                connection.execute(delete(documents).where(documents.c.id.in_(lost)))
                digests = list(connection.execute(select(documents.c.sha256)).scalars())
        finally:
            target.close()
        store = FileStore(folder / "files")
        for digest in digests:
            with suppress(OSError):
                _copy_file(self._files.path(digest), store.path(digest))
        return Rescue(rows, len(digests), tuple(damaged))

    def _copy(self, table: Table, target: Database) -> int:
        copied = 0
        with target.write() as connection:
            for row in self._rows(table):
                with suppress(IntegrityError):  # what it belongs to is lost
                    connection.execute(table.insert().values(row))
                    copied += 1
        return copied

    def _documents(self) -> Iterator[dict[str, Any]]:
        yield from self._rows(documents)

    def _rows(self, table: Table) -> Iterator[dict[str, Any]]:
        """The table's rows that can be read, in the order in which they are stored."""
        last, end = 0, self._last_row(table)
        count = _ROWS
        while last < end:
            try:
                with self._database.read() as connection:
                    names = ", ".join(f'"{table.name}"."{column.name}"' for column in table.columns)
                    numbers = connection.exec_driver_sql(
                        f'SELECT rowid, {names} FROM "{table.name}" '  # noqa: S608 - our own names
                        f"WHERE rowid > {last} ORDER BY rowid LIMIT {count}"
                    ).all()
                    rowids = [row[0] for row in numbers]
                    typed = [self._typed(table, row[1:]) for row in numbers]
            except (CatalogueDamagedError, ValueError):  # such as a time that is none
                # One at a time up to the damage, then number by number past it.
                last, count = (last + 1, 1) if count == 1 else (last, 1)
                continue
            if not rowids:
                return
            yield from typed
            last = rowids[-1]

    def _typed(self, table: Table, values: Any) -> dict[str, Any]:
        """The values as the table's columns give them."""
        dialect = self._database.dialect
        given = {}
        for column, value in zip(table.columns, values, strict=True):
            convert = column.type.dialect_impl(dialect).result_processor(dialect, None)
            given[column.name] = convert(value) if convert is not None else value
        return given

    def _last_row(self, table: Table) -> int:
        with suppress(CatalogueDamagedError), self._database.read() as connection:
            last = connection.exec_driver_sql(f'SELECT max(rowid) FROM "{table.name}"').scalar()  # noqa: S608
            return int(last or 0)
        return 1_000_000

    def _document_problem(self, document_id: str) -> str:
        """Why the document's chunks or vectors cannot be read; empty when they can."""
        try:
            with self._database.read() as connection:
                statement = select(chunks, vectors.c.vector).outerjoin(
                    vectors, vectors.c.chunk_id == chunks.c.id
                )
                for row in connection.execute(statement.where(chunks.c.document_id == document_id)):
                    if not row.vector or len(row.vector) % 4:
                        return f"chunk {row.id} has no vector"
        except CatalogueDamagedError as error:
            return str(error)
        return ""

    def _name(self, knowledge_base_id: int) -> str:
        with suppress(CatalogueDamagedError), self._database.read() as connection:
            statement = select(knowledge_bases.c.name).where(knowledge_bases.c.id == knowledge_base_id)
            return str(connection.execute(statement).scalar() or "")
        return ""


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return
    link_or_copy(source, target)
