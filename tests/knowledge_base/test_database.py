from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from knowledge_base.catalogue import Catalogue
from knowledge_base.database import HEAD, MIGRATIONS, Database
from knowledge_base.errors import CatalogueDamagedError, DataFolderError
from knowledge_base.tables import metadata


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "catalogue.db")
    yield opened
    opened.close()


def test_head_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_migrations_make_the_tables_of_the_code(database: Database) -> None:
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [HEAD]


def test_a_catalogue_of_the_first_version_keeps_its_documents(tmp_path: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    path = tmp_path / "catalogue.db"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in (
            "INSERT INTO knowledge_bases VALUES "
            "(1, '制度', '', '2026-01-02 03:04:05.000000', 3, 'bigrams/64')",
            "INSERT INTO documents VALUES ('d1', 1, '中文-a_b%.md', 'ab', 7, 'markdown', 2, '[]', 'p', "
            "'2026-01-02 03:04:05.000000', '2026-01-02 03:04:05.000000')",
            "INSERT INTO chunks VALUES "
            "(5, 'd1', 1, 0, 0, 2, NULL, 'paragraph', '正文', '', '', '[]', '[]', x'00', 1)",
        ):
            connection.execute(text(statement))
    engine.dispose()

    database = Database(path)
    (info,) = Catalogue(database).documents(1)
    assert (info.id, info.name, info.chunks) == ("d1", "中文-a_b%.md", 1)
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        names = connection.execute(text("SELECT knowledge_base_id, name, document_id FROM document_names"))
        assert names.all() == [(1, "中文-a_b%.md", "d1")]
        versions = connection.execute(
            text("SELECT document_id, number, name, sha256, size, pages, chunks FROM document_versions")
        )
        assert versions.all() == [("d1", 1, "中文-a_b%.md", "ab", 7, 2, 1)]
    database.close()


def test_the_catalogue_is_durable_and_keeps_its_references(database: Database) -> None:
    with database.read() as connection:
        pragma = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragma == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_data_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.db"
    first = Database(path)
    Catalogue(first).create("a")
    with first.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    first.close()
    with pytest.raises(DataFolderError) as caught:
        Database(path)
    assert "9999" in str(caught.value.details["reason"])

    with first.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": HEAD})
    first.close()
    again = Database(path)
    assert [info.name for info in Catalogue(again).knowledge_bases()] == ["a"]
    again.close()


def test_a_file_that_is_no_catalogue_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.db"
    path.write_bytes(b"not a database " * 100)
    with pytest.raises(DataFolderError) as caught:
        Database(path)
    assert "not a database" in str(caught.value.details["reason"])
    assert path.read_bytes() == b"not a database " * 100


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFolderError, match="file"):
        Database(tmp_path / "file" / "catalogue.db")
    (tmp_path / "taken" / "catalogue.db").mkdir(parents=True)
    with pytest.raises(DataFolderError, match="taken"):
        Database(tmp_path / "taken" / "catalogue.db")


def test_a_failed_write_leaves_no_trace(database: Database) -> None:
    Catalogue(database).create("a")
    with pytest.raises(ZeroDivisionError), database.write() as connection:
        connection.execute(text("DELETE FROM knowledge_bases"))
        raise ZeroDivisionError
    assert [info.name for info in Catalogue(database).knowledge_bases()] == ["a"]


def test_a_full_disk_is_named_and_leaves_no_trace(database: Database) -> None:
    catalogue = Catalogue(database)
    catalogue.create("a")
    database.close()  # the limit on pages holds for one connection, which the pool then gives out
    with database.read() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar()
        connection.execute(text(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(DataFolderError) as caught:
        catalogue.create("b", "x" * 1_000_000)
    assert "full" in str(caught.value.details["reason"])
    assert [info.name for info in catalogue.knowledge_bases()] == ["a"]


def test_a_reader_sees_one_state_and_never_waits_for_a_writer(database: Database) -> None:
    catalogue = Catalogue(database)
    catalogue.create("a")
    count = text("SELECT count(*) FROM knowledge_bases")
    with database.write() as writing, database.read() as reading:
        writing.execute(text("UPDATE knowledge_bases SET name = 'b'"))
        assert reading.execute(text("SELECT name FROM knowledge_bases")).scalars().all() == ["a"]
    with database.read() as reading:
        assert reading.execute(count).scalar() == 1
        other = threading.Thread(target=catalogue.create, args=("c",))
        other.start()
        other.join(timeout=30)
        assert not other.is_alive()
        assert reading.execute(count).scalar() == 1
    assert [info.name for info in catalogue.knowledge_bases()] == ["b", "c"]


def test_several_at_once_may_open_a_new_folder(tmp_path: Path) -> None:
    errors: list[BaseException] = []
    ready = threading.Barrier(6)

    def open_it(number: int) -> None:
        try:
            ready.wait(timeout=30)
            opened = Database(tmp_path / "new" / "catalogue.db")
            Catalogue(opened).create(f"k{number}")
            opened.close()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=open_it, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert errors == []
    opened = Database(tmp_path / "new" / "catalogue.db")
    assert [info.name for info in Catalogue(opened).knowledge_bases()] == [f"k{n}" for n in range(6)]
    opened.close()


def test_the_percent_sign_may_stand_in_the_path(tmp_path: Path) -> None:
    opened = Database(tmp_path / "100% 中文?#" / "catalogue.db")
    assert Catalogue(opened).knowledge_bases() == []
    opened.close()
    assert (tmp_path / "100% 中文?#" / "catalogue.db").is_file()


def fill(database: Database, megabytes: int) -> None:
    with database.write() as connection:
        for number in range(megabytes):
            values = {"name": f"k{number}", "description": "x" * 1_000_000}
            connection.execute(
                text(
                    "INSERT INTO knowledge_bases (name, description, created_at, revision, embedder) "
                    "VALUES (:name, :description, '2020-01-01', 0, '')"
                ),
                values,
            )


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.slow
def test_deleting_gives_the_space_back(earlier: bool, tmp_path: Path) -> None:
    """Also in a catalogue that an earlier version made, which kept its free pages."""
    path = tmp_path / "catalogue.db"
    database = Database(path)
    if earlier:
        database._outside("PRAGMA auto_vacuum=0", "VACUUM")
    fill(database, 30)
    database.release_space()
    full = path.stat().st_size
    with database.write() as connection:
        connection.execute(text("DELETE FROM knowledge_bases WHERE name != 'k7'"))
    assert database.release_space() > 25_000_000
    assert path.stat().st_size < full - 25_000_000
    assert (tmp_path / "catalogue.db-wal").stat().st_size == 0
    assert database.release_space() == 0
    assert [info.name for info in Catalogue(database).knowledge_bases()] == ["k7"]
    assert database.quick_check() == []
    database.close()


def test_giving_space_back_waits_for_no_reader(database: Database) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE filled AS SELECT randomblob(4000000) AS bytes")
    began = time.monotonic()
    with database.read() as reader:
        assert reader.exec_driver_sql("SELECT count(*) FROM filled").scalar() == 1
        with database.write() as connection:
            connection.exec_driver_sql("DELETE FROM filled")
        database.release_space()
        assert reader.exec_driver_sql("SELECT length(bytes) FROM filled").scalar() == 4_000_000
    assert time.monotonic() - began < 30, "half of what a writer waits for another"
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 60_000


def test_what_cannot_be_tidied_is_told_and_harms_no_connection(database: Database) -> None:
    with pytest.raises(DataFolderError):
        database._outside("PRAGMA busy_timeout=0", "no statement")
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 60_000


def test_many_may_read_at_once(database: Database) -> None:
    with ExitStack() as stack:
        readers = [stack.enter_context(database.read()) for _ in range(20)]
        assert {reader.exec_driver_sql("SELECT 1").scalar() for reader in readers} == {1}


def test_a_damaged_page_is_told_and_the_rest_is_readable(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.db"
    database = Database(path)
    fill(database, 3)
    database.release_space()
    database._outside("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    content = bytearray(path.read_bytes())
    place = len(content) // 2 // 4096 * 4096
    content[place : place + 4096] = b"\xff" * 4096
    path.write_bytes(content)
    again = Database(path)
    assert again.quick_check() != []
    readable = set()
    for number in range(3):
        try:
            with again.read() as connection:
                statement = text("SELECT description FROM knowledge_bases WHERE name = :name")
                connection.execute(statement, {"name": f"k{number}"}).all()
            readable.add(number)
        except CatalogueDamagedError as error:
            assert "malformed" in str(error.details["reason"])
    assert 1 <= len(readable) <= 2
    again.close()
