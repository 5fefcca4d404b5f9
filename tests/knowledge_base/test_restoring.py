"""A backup comes back whole, or nothing does."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from knowledge_base.backups import Backups
from knowledge_base.database import HEAD
from knowledge_base.errors import FolderNotEmptyError, PackageError, PackageVersionError
from knowledge_base.restoring import restore
from loaders.errors import LoadingCancelledError
from tests.knowledge_base.doubles import Home, open_home

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def backup(home: Home, tmp_path: Path) -> Path:
    home.add("制度", {"a.txt": "年假每年十天。", "b.txt": "报销须附发票。"})
    home.submit("制度", {"later.txt": "等待中的文件。"})
    (home.folder / "evaluations").mkdir()
    (home.folder / "evaluations" / "run.json").write_text("{}")
    Backups(home.catalogue, home.files, home.folder).backup(tmp_path / "backup")
    return tmp_path / "backup"


def below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("there", [False, True])
def test_what_was_backed_up_is_there_again(backup: Path, tmp_path: Path, there: bool) -> None:
    before = below(backup)
    target = tmp_path / "new"
    if there:
        target.mkdir()
    assert restore(backup, target).files == 3
    assert below(backup) == before
    home = open_home(target)
    assert home.texts("制度") == {"a.txt": ["年假每年十天。"], "b.txt": ["报销须附发票。"]}
    assert home.found("年假", "制度") == {"a.txt"}
    assert home.embedder.embedded == []
    assert [job.state for job in home.queue.jobs()] == ["queued"]
    assert (target / "evaluations" / "run.json").read_text() == "{}"
    home.close()


def test_what_is_there_is_not_overwritten(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine").write_text("x")
    for target in (tmp_path / "new", tmp_path / "new" / "mine"):
        with pytest.raises(FolderNotEmptyError):
            restore(backup, target)
    assert below(tmp_path / "new") == {"mine": b"x"}


def nothing_is_restored(backup: Path, tmp_path: Path, finding: str) -> None:
    before = set(tmp_path.iterdir())
    with pytest.raises(PackageError) as error:
        restore(backup, tmp_path / "new")
    assert error.value.details["finding"] == finding
    assert set(tmp_path.iterdir()) == before


def test_a_damaged_file_is_noticed(backup: Path, tmp_path: Path) -> None:
    path = next((backup / "files").glob("??/*"))
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)
    nothing_is_restored(backup, tmp_path, "backup_damaged")


def test_a_missing_file_is_noticed(backup: Path, tmp_path: Path, home: Home) -> None:
    (info,) = [info for info in home.catalogue.documents(home.key("制度").id) if info.name == "a.txt"]
    digest = home.catalogue.stored_sha256(home.key("制度").id, info.id)
    (backup / "files" / digest[:2] / digest).unlink()
    nothing_is_restored(backup, tmp_path, "backup_damaged")


@pytest.mark.parametrize("size", [0, 100, 8192])
def test_a_catalogue_cut_short_is_noticed(backup: Path, tmp_path: Path, size: int) -> None:
    path = backup / "catalogue.db"
    path.write_bytes(path.read_bytes()[:size])
    nothing_is_restored(backup, tmp_path, "backup_damaged")


def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    nothing_is_restored(tmp_path / "nowhere", tmp_path, "backup_missing")


def test_a_newer_version_is_refused(backup: Path, tmp_path: Path) -> None:
    connection = sqlite3.connect(backup / "catalogue.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(PackageVersionError) as error:
        restore(backup, tmp_path / "new")
    assert error.value.details == {"version": "9999", "known": HEAD}
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("made", sorted(DATA.glob("schema-*")), ids=lambda path: path.name)
def test_a_backup_of_an_earlier_version_is_brought_up_to_date(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "new")
    home = open_home(tmp_path / "new")
    assert home.found("年假每年十天", "制度-a_b%") == {"中文 手册.txt"}
    home.close()


def test_cancelled_it_leaves_nothing(backup: Path, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    with pytest.raises(LoadingCancelledError):
        restore(backup, tmp_path / "new", cancelled=lambda: True)
    assert set(tmp_path.iterdir()) == before
