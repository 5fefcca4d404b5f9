"""The connection to the catalogue: SQLite in WAL mode, one writer at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError
from pathlib import Path
from typing import Any

from filelock import FileLock
from sqlalchemy import URL, Connection, Dialect, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError, OperationalError

from knowledge_base.errors import CatalogueDamagedError, DataFolderError, DiskFullError

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0006"
"""The newest migration; a test holds it against the migrations folder."""

_WRITE = "zhiwen_write"
_BUSY_SECONDS = 60
_INCREMENTAL = 2
"""SQLite's number of the mode in which free pages are given back when that is asked for."""
_KEPT_BACKUPS = 2
_VACUUM_PAGES = 2_000
_DAMAGED = ("malformed", "not a database")
_NO_TEXT = "Could not decode to UTF-8"


class Database:
    """Opens the catalogue at `path`, bringing its tables up to date.

    Raises `DataFolderError` when the file cannot be opened or comes from a newer version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataFolderError(
                f"cannot make {path.parent}: {error.strerror}", reason=str(error)
            ) from error
        # Not put together as a string: the path may hold "?" and "#".
        url = URL.create("sqlite", database=str(path))
        self._engine = create_engine(
            url,
            connect_args={"timeout": _BUSY_SECONDS},
            max_overflow=-1,  # readers need not wait while many writers do
            hide_parameters=True,  # documents' text must not get into the log with an error
        )
        event.listen(self._engine, "connect", _configure)
        event.listen(self._engine, "begin", _begin)
        try:
            # The first change to WAL mode fails at once, instead of waiting, while another does it.
            with FileLock(f"{path}.lock"):
                self._migrate()
        except CatalogueDamagedError as error:
            self.close()
            raise DataFolderError(str(error), reason=str(error.details["reason"])) from error
        except OSError as error:
            self.close()
            raise DataFolderError(f"cannot open {path}: {error.strerror}", reason=str(error)) from error
        except DatabaseError as error:
            self.close()
            raise DataFolderError(f"cannot open {path}: {error.orig}", reason=str(error.orig)) from error

    @property
    def dialect(self) -> Dialect:
        """How SQLAlchemy speaks to the file."""
        return self._engine.dialect

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view of the catalogue; it never waits for a writer.

        Raises `CatalogueDamagedError` where the file cannot be read.
        """
        with self._told(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits at the end of the block, or leaves no trace.

        Raises `DiskFullError`, `DataFolderError` when the catalogue cannot be written to, and
        `CatalogueDamagedError`.
        """
        try:
            with (
                self._told(),
                self._engine.connect().execution_options(**{_WRITE: True}) as connection,
                connection.begin(),
            ):
                yield connection
        except OperationalError as error:
            kind = DiskFullError if "full" in str(error.orig) else DataFolderError
            raise kind(f"cannot write to {self._path}: {error.orig}", reason=str(error.orig)) from error

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except JSONDecodeError:
            raise self._unreadable("a value is not JSON") from None
        except DatabaseError as error:
            if _NO_TEXT in str(error.orig):  # which goes on with the text, that no log is to have
                raise self._unreadable("a text is not UTF-8") from None
            if not any(sign in str(error.orig) for sign in _DAMAGED):
                raise
            raise self._unreadable(str(error.orig)) from error

    def _unreadable(self, reason: str) -> CatalogueDamagedError:
        return CatalogueDamagedError(f"{self._path} is damaged: {reason}", reason=reason)

    def release_space(self, *, least: int = 1 << 20) -> int:
        """Give the space of what was deleted back to the disk; returns how many bytes the file shrank.

        Up to `least` bytes are left to be filled again. In small steps, between which others can write.
        Raises `DataFolderError`.
        """
        pragmas = ("freelist_count", "page_count", "page_size", "auto_vacuum")
        with self.read() as connection:
            free, pages, size, mode = (
                int(connection.exec_driver_sql(f"PRAGMA {name}").scalar() or 0) for name in pragmas
            )
        if free * size <= least:
            return 0
        if mode == _INCREMENTAL:
            for _ in range(0, free, _VACUUM_PAGES):
                self._outside(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")
        elif free * 4 > pages:  # a catalogue of an earlier version: written anew, once
            self._outside(f"PRAGMA auto_vacuum={_INCREMENTAL}", "VACUUM")
        # Readers of an earlier state, such as a backup, are not waited for: writers would wait along.
        self._outside(
            "PRAGMA busy_timeout=0",
            "PRAGMA wal_checkpoint(TRUNCATE)",
            f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}",
        )
        with self.read() as connection:
            return (pages - int(connection.exec_driver_sql("PRAGMA page_count").scalar() or 0)) * size

    def quick_check(self) -> list[str]:
        """What SQLite finds wrong with the file; nothing where it is sound. Reads all of it."""
        found: list[str] = []
        try:
            with self.read() as connection:
                for (line,) in connection.exec_driver_sql("PRAGMA quick_check(100)"):
                    found.extend(part for part in str(line).splitlines() if part != "ok")
        except CatalogueDamagedError as error:
            found.append(str(error.details["reason"]))
        return found

    def _outside(self, *statements: str) -> None:
        """Run statements that may not stand in a transaction."""
        connection = self._engine.raw_connection()
        try:
            # Unlike `execute`, it goes on until a statement has done all of its work.
            connection.cursor().executescript(";".join(statements))
        except sqlite3.Error as error:
            connection.invalidate()  # what the statements have set is not to be met again
            raise DataFolderError(f"cannot tidy {self._path}: {error}", reason=str(error)) from error
        finally:
            connection.close()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _migrate(self) -> None:
        with self.read() as connection:
            tables = inspect(connection).get_table_names()
            version = None
            if "alembic_version" in tables:
                version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if version == HEAD:
            return
        if version is not None and version not in known_versions():
            raise DataFolderError(
                f"the data in {self._path.parent} was written by a newer version ({version})",
                reason=f"version {version} > {HEAD}",
            )
        if version is not None:
            self._keep_before_migration()
        # Imported here because a current catalogue, the usual case, does without it.
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        with self.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def _keep_before_migration(self) -> None:
        """Copy the catalogue beside itself, to go back to the version that wrote it."""
        from knowledge_base.snapshots import copy_catalogue

        kept = self._path.with_name(f"{self._path.name}.before-{HEAD}")
        partial = kept.with_name(f"{kept.name}.partial")
        partial.unlink(missing_ok=True)
        try:
            with self.read() as connection:
                connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")  # a snapshot begins here
                copy_catalogue(connection, partial)
            partial.replace(kept)
        finally:
            partial.unlink(missing_ok=True)
        for old in sorted(self._path.parent.glob(f"{self._path.name}.before-*"))[:-_KEPT_BACKUPS]:
            old.unlink()


def known_versions() -> set[str]:
    """Numbers of the migrations that this version has."""
    return {path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py")}


def _configure(connection: Any, _record: object) -> None:
    # The driver's own BEGIN would come too late for a consistent read; _begin sends it instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    if cursor.execute("PRAGMA page_count").fetchone() == (0,):  # later it would count only after VACUUM
        cursor.execute(f"PRAGMA auto_vacuum={_INCREMENTAL}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A writer takes its lock at once: upgrading a read lock later could fail instead of waiting.
    immediate = connection.get_execution_options().get(_WRITE)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
