"""The connection to the catalogue: SQLite in WAL mode, one writer at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock
from sqlalchemy import URL, Connection, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError, OperationalError

from knowledge_base.errors import DataFolderError

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0003"
"""The newest migration; a test holds it against the migrations folder."""

_WRITE = "zhiwen_write"
_BUSY_SECONDS = 60


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
        self._engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS})
        event.listen(self._engine, "connect", _configure)
        event.listen(self._engine, "begin", _begin)
        try:
            # The first change to WAL mode fails at once, instead of waiting, while another does it.
            with FileLock(f"{path}.lock"):
                self._migrate()
        except OSError as error:
            self.close()
            raise DataFolderError(f"cannot open {path}: {error.strerror}", reason=str(error)) from error
        except DatabaseError as error:
            self.close()
            raise DataFolderError(f"cannot open {path}: {error.orig}", reason=str(error.orig)) from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view of the catalogue; it never waits for a writer."""
        with self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits at the end of the block, or leaves no trace.

        Raises `DataFolderError` when the disk is full or the catalogue cannot be written to.
        """
        try:
            with self._engine.connect().execution_options(**{_WRITE: True}) as connection, connection.begin():
                yield connection
        except OperationalError as error:
            raise DataFolderError(
                f"cannot write to {self._path}: {error.orig}", reason=str(error.orig)
            ) from error

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
        if version is not None and version > HEAD:
            raise DataFolderError(
                f"the data in {self._path.parent} was written by a newer version ({version})",
                reason=f"version {version} > {HEAD}",
            )
        # Imported here because a current catalogue, the usual case, does without it.
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        with self.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _configure(connection: Any, _record: object) -> None:
    # The driver's own BEGIN would come too late for a consistent read; _begin sends it instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A writer takes its lock at once: upgrading a read lock later could fail instead of waiting.
    immediate = connection.get_execution_options().get(_WRITE)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
