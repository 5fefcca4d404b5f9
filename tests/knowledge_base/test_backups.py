from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text

from knowledge_base.backups import Backups
from knowledge_base.database import HEAD, Database
from knowledge_base.errors import DataFolderError, FilesMissingError, FolderNotEmptyError
from knowledge_base.exporting import Exporter
from knowledge_base.restoring import restore
from loaders.errors import LoadingCancelledError
from tests.knowledge_base.doubles import Home, open_home

DATA = Path(__file__).parents[1] / "data"


def backups(home: Home) -> Backups:
    return Backups(home.catalogue, home.files, home.folder)


def test_a_backup_is_a_data_folder_of_one_moment(home: Home, tmp_path: Path) -> None:
    home.add("制度", {"a.txt": "年假每年十天。", "b.txt": "报销须附发票。"})
    changed: list[str] = []

    def change(stage: str, _done: int, _total: int) -> None:
        if not changed:
            changed.append(stage)
            home.add("制度", {"c.txt": "备份期间新增。"})
            for info in home.catalogue.documents(home.key("制度").id):
                home.delete("制度", info.id)

    assert backups(home).backup(tmp_path / "backup", progress=change).files == 2
    assert changed
    copy = open_home(tmp_path / "backup")
    assert copy.texts("制度") == {"a.txt": ["年假每年十天。"], "b.txt": ["报销须附发票。"]}
    assert copy.found("年假", "制度") == {"a.txt"}
    assert copy.embedder.embedded == []
    for info in copy.catalogue.documents(copy.key("制度").id):
        assert copy.files.path(copy.catalogue.stored_sha256(copy.key("制度").id, info.id)).stat().st_size
    copy.close()


def test_a_lost_file_is_named_and_left_out(home: Home, tmp_path: Path) -> None:
    results = home.add("制度", {"a.txt": "年假每年十天。", "b.txt": "报销须附发票。"})
    assert results[0].document is not None
    key = home.key("制度")
    home.files.path(home.catalogue.stored_sha256(key.id, results[0].document.id)).unlink()
    made = backups(home).backup(tmp_path / "backup")
    assert (made.files, made.missing) == (1, ["制度/a.txt"])
    assert restore(tmp_path / "backup", tmp_path / "restored").files == 1
    with pytest.raises(FilesMissingError) as caught:
        Exporter(home.catalogue, home.files, swept=home.sweep).export("制度", tmp_path / "k.zhiwen")
    assert caught.value.details == {"documents": "制度/a.txt"}
    assert not (tmp_path / "k.zhiwen").exists()
    home.add("制度", {"a.txt": "年假每年十天。"})
    assert backups(home).backup(tmp_path / "again").missing == []


def test_a_cancelled_backup_leaves_nothing(home: Home, tmp_path: Path) -> None:
    home.add("制度", {"a.txt": "年假每年十天。"})
    before = set(tmp_path.iterdir())
    with pytest.raises(LoadingCancelledError):
        backups(home).backup(tmp_path / "backup", cancelled=lambda: True)
    assert set(tmp_path.iterdir()) == before


def test_nothing_is_overwritten(home: Home, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("x")
    for target in (tmp_path / "full", tmp_path / "full" / "mine"):
        with pytest.raises(FolderNotEmptyError):
            backups(home).backup(target)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]


def test_before_a_migration_the_catalogue_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "catalogue.db"
    Database(path).close()
    for head in ("9001", "9002", "9003"):
        with monkeypatch.context() as patch:
            patch.setattr("knowledge_base.database.HEAD", head)
            Database(path).close()
    kept = sorted(path.name for path in tmp_path.glob("*.before-*"))
    assert kept == ["catalogue.db.before-9002", "catalogue.db.before-9003"]
    copy = sqlite3.connect(tmp_path / kept[-1])
    assert copy.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]
    copy.close()


@pytest.mark.parametrize("version", ["9999", "0001a", "abcd"])
def test_data_of_an_unknown_version_is_left_alone(tmp_path: Path, version: str) -> None:
    path = tmp_path / "catalogue.db"
    database = Database(path)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})
    database.close()
    before = path.read_bytes()
    with pytest.raises(DataFolderError, match=version):
        Database(path)
    assert path.read_bytes() == before
    assert list(tmp_path.glob("*.before-*")) == []


@pytest.mark.parametrize("made", sorted(DATA.glob("schema-*")), ids=lambda path: path.name)
def test_data_of_earlier_versions_opens_and_answers(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "data")
    home = open_home(tmp_path / "data")
    (info,) = home.catalogue.documents(home.key("制度-a_b%").id)
    assert (info.name, info.chunks > 0) == ("中文 手册.txt", True)
    assert home.found("年假每年十天", "制度-a_b%") == {"中文 手册.txt"}
    assert home.embedder.embedded == []
    digest = home.catalogue.stored_sha256(home.key("制度-a_b%").id, info.id)
    assert "报销须附发票" in home.files.path(digest).read_text(encoding="utf-8")
    assert (tmp_path / "data" / f"catalogue.db.before-{HEAD}").is_file()
    home.close()
