"""The state of a data folder at one moment, while others go on changing it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from knowledge_base.database import Database
from knowledge_base.errors import DataFolderError, DiskFullError, storage_error
from knowledge_base.files import FileStore

_TRIES = 5
_PAGES = 1_000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The catalogue at one moment, and a folder with files that belong to it, by their digests."""

    connection: Connection
    files: Path
    missing: frozenset[str]
    """Digests of files that are lost."""


@contextmanager
def snapshot(
    database: Database, files: FileStore, digests: Callable[[Connection], set[str]]
) -> Iterator[Snapshot]:
    """A consistent view of the catalogue, and the files that `digests` picks from it.

    The files stay there whatever is deleted meanwhile. Raises `DataFolderError`.
    """
    lost: frozenset[str] = frozenset()
    for attempt in range(_TRIES):
        with ExitStack() as stack:
            connection = stack.enter_context(database.read())
            wanted = frozenset(digests(connection))
            pinned = stack.enter_context(files.pinned(wanted))
            missing = wanted.difference(path.name for path in pinned.iterdir())
            if missing - lost and attempt < _TRIES - 1:  # perhaps deleted just now: look again
                lost = missing
                continue
            yield Snapshot(connection, pinned, missing)
            return


def copy_catalogue(
    connection: Connection, path: Path, *, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> None:
    """Copy the catalogue to a new file at `path`, as a read transaction sees it.

    `progress` is told how many pages of how many are done, and may raise. Raises `DiskFullError` or
    `DataFolderError`.
    """
    source = connection.connection.driver_connection
    assert isinstance(source, sqlite3.Connection)  # noqa: S101 - the only driver there is
    try:
        with closing(sqlite3.connect(path)) as target:
            source.backup(
                target, pages=_PAGES, progress=lambda _status, left, total: progress(total - left, total)
            )
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
    except sqlite3.OperationalError as error:
        kind = DiskFullError if "full" in str(error) else DataFolderError
        raise kind(f"cannot write {path}: {error}", reason=str(error)) from error
    except OSError as error:
        raise storage_error(f"cannot write {path}", error) from error
