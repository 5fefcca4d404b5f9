from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from knowledge_base import chunk_changes, searched_chunks
from knowledge_base.indexes import IndexReport
from knowledge_base.tables import chunks, knowledge_bases
from knowledge_base.types import Hit
from tests.knowledge_base.doubles import BigramEmbedder, Home, open_home
from vectorstore import scratch
from vectorstore.dense import DenseIndex
from vectorstore.hybrid import HybridIndex

TEXTS = {f"{n}.md": f"第{n}条：部门{n}的值班电话是{8000 + n}。" for n in range(6)}
QUERY = "部门3的值班电话"


@pytest.fixture
def expected(home: Home) -> list[Hit]:
    """A saved index, closed; what a search in it finds."""
    home.add("k", TEXTS)
    hits = home.search(QUERY, "k", top_k=6)
    home.close()
    assert hits[0].document == "3.md"
    return hits


def index_files(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "indexes").rglob("*") if path.is_file())


def assert_mended(folder: Path, expected: list[Hit]) -> None:
    """Searching finds the same, and no document was embedded for it."""
    embedder = BigramEmbedder()
    home = open_home(folder, embedder=embedder)
    assert home.search(QUERY, "k", top_k=6) == expected
    assert embedder.embedded == []
    home.close()


def test_a_saved_index_is_read_back(home: Home, expected: list[Hit], monkeypatch: pytest.MonkeyPatch) -> None:
    def no_rebuild(*_: object) -> Any:
        raise AssertionError("the index was made anew")

    again = open_home(home.folder)
    monkeypatch.setattr(again.indexes, "_make", no_rebuild)
    assert again.search(QUERY, "k", top_k=6) == expected
    again.close()


def test_deleted_indexes_are_rebuilt(home: Home, expected: list[Hit]) -> None:
    for path in index_files(home.folder):
        path.unlink()
    assert_mended(home.folder, expected)


@pytest.mark.parametrize("keep", [0.0, 0.9])
@pytest.mark.slow
def test_truncated_files_are_rebuilt(keep: float, home: Home, expected: list[Hit]) -> None:
    names = [path.relative_to(home.folder) for path in index_files(home.folder)]
    assert len(names) >= 5
    for name in names:
        if not (home.folder / name).exists():
            continue
        content = (home.folder / name).read_bytes()
        (home.folder / name).unlink()  # the files may share their bytes with others
        (home.folder / name).write_bytes(content[: int(len(content) * keep)])
        assert_mended(home.folder, expected)
        (home.folder / name).unlink()
        (home.folder / name).write_bytes(content)


@pytest.mark.parametrize("state", ["", "[]", "null", "{}", '{"embedder": 3}', "\udc80"])
def test_a_state_that_says_nothing_is_not_trusted(state: str, home: Home, expected: list[Hit]) -> None:
    path = home.folder / "indexes" / "1" / "state.json"
    path.write_bytes(state.encode("utf-8", "surrogateescape"))
    assert_mended(home.folder, expected)


def test_an_index_of_another_embedder_is_rebuilt(home: Home, expected: list[Hit]) -> None:
    path = home.folder / "indexes" / "1" / "state.json"
    assert json.loads(path.read_text())["embedder"] == "bigrams/64"
    path.write_text(json.dumps({"embedder": "other/32"}))
    assert_mended(home.folder, expected)


def test_an_index_that_lags_behind_is_brought_up_to_date(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.add("k", TEXTS)
    monkeypatch.setattr(home.indexes, "save", lambda _key: None)  # as if killed before it was saved
    home.add("k", {"0.md": "第0条：改为总机9999。", "new.md": "新增的条款。"})
    (gone,) = [info for info in home.catalogue.documents(home.key("k").id) if info.name == "1.md"]
    home.delete("k", gone.id)
    home.close()
    again = open_home(home.folder)
    assert again.found("总机9999", "k") == {"0.md"}
    assert again.found("新增的条款", "k") == {"new.md"}
    assert again.found("8000", "k") == again.found("8001", "k") == set()
    assert again.found("8002", "k") == {"2.md"}
    again.close()


def test_what_another_process_stores_is_found(home: Home) -> None:
    home.add("k", TEXTS)
    assert home.found("新增的条款", "k") == set()
    other = open_home(home.folder)
    other.add("k", {"new.md": "新增的条款。"})
    assert home.found("新增的条款", "k") == {"new.md"}
    other.close()


def test_an_index_that_cannot_be_saved_costs_nobody_a_document(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The index on the disk is a cache: without room for it, it is rebuilt at the next start."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    home.add("k", TEXTS)
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr("vectorstore.hybrid.HybridIndex.save", full)
        (result,) = home.add("k", {"new.md": "新增的条款。"})
    assert result.state == "ready"
    assert "No space left" in caplog.text
    assert home.found("新增的条款", "k") == {"new.md"}
    home.close()
    again = open_home(home.folder)
    assert again.found("新增的条款", "k") == {"new.md"}
    again.close()


def test_drop_forgets_and_deletes(home: Home) -> None:
    home.add("k", TEXTS)
    home.indexes.drop(home.key("k").id)
    assert index_files(home.folder) == []
    assert home.found("8003", "k") == {"3.md"}


def test_a_damaged_file_of_the_right_size_is_noticed(home: Home, expected: list[Hit]) -> None:
    names = [path.relative_to(home.folder) for path in index_files(home.folder)]
    for name in names:
        if "index/" not in name.as_posix() or not (home.folder / name).exists():
            continue
        content = (home.folder / name).read_bytes()
        if len(content) < 4 or name.suffix == ".lock":
            continue
        (home.folder / name).unlink()
        (home.folder / name).write_bytes(content[:-4] + bytes(255 - byte for byte in content[-4:]))
        assert_mended(home.folder, expected)


def test_an_index_that_fails_while_it_is_searched_is_made_anew(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    home.add("k", TEXTS)
    hits = home.search(QUERY, "k", top_k=6)
    broken = home.indexes.index(home.key("k"), dimension=64)

    def fail(*_: object, **__: object) -> Any:
        raise ValueError("An IO error occurred: 'failed to fill whole buffer'")

    monkeypatch.setattr(broken, "search", fail)
    embedded = len(home.embedder.embedded)
    with caplog.at_level(logging.WARNING):
        assert home.search(QUERY, "k", top_k=6) == hits
    assert "rebuilding" in caplog.text
    assert home.indexes.report.rebuilt == 2
    assert len(home.embedder.embedded) == embedded
    assert home.indexes.index(home.key("k"), dimension=64) is not broken


def test_an_index_that_cannot_be_changed_is_made_anew(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.add("k", TEXTS)
    broken = home.indexes.index(home.key("k"), dimension=64)

    def fail(*_: object) -> None:
        raise ValueError("the writer was killed")

    monkeypatch.setattr(broken, "add", fail)
    (result,) = home.add("k", {"new.md": "新增的条款。"})
    assert result.state == "ready"
    assert home.found("新增的条款", "k") == {"new.md"}
    assert home.found("8003", "k") == {"3.md"}


def test_a_small_commit_looks_at_what_changed_only(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.add("k", TEXTS)
    compared: list[object] = []
    enabled_ids = searched_chunks.enabled_ids

    def watch(*where: Any, among: Any = None) -> set[int]:
        compared.append(None if among is None else len(among))
        return enabled_ids(*where, among=among)

    monkeypatch.setattr(searched_chunks, "enabled_ids", watch)
    home.add("k", {"new.md": "新增的条款。"})
    (gone,) = [info for info in home.catalogue.documents(home.key("k").id) if info.name == "1.md"]
    home.delete("k", gone.id)
    assert home.found("新增的条款", "k") == {"new.md"}
    assert home.found("8001", "k") == set()
    assert compared == [1, 1]


def test_a_chunk_changed_or_disabled_under_its_id_is_taken_in(home: Home) -> None:
    """Also when the index was closed meanwhile, and when as many chunks are found as before."""
    home.add("k", TEXTS)
    home.close()
    again = open_home(home.folder)
    with again.database.write() as connection:
        for number, values in (
            (2, {"enabled": False}),
            (3, {"text": "改为总机9999。", "search_hash": b"x" * 16}),
        ):
            connection.execute(update(chunks).where(chunks.c.text.contains(f"800{number}")).values(values))
        connection.execute(update(knowledge_bases).values(revision=knowledge_bases.c.revision + 1))
    assert again.found("总机9999", "k") == {"3.md"}
    assert again.found("8002", "k") == set()
    again.search(QUERY, "k")
    with again.database.write() as connection:
        connection.execute(update(chunks).where(chunks.c.text.contains("8004")).values(enabled=False))
        connection.execute(update(chunks).where(chunks.c.text.contains("8002")).values(enabled=True))
        connection.execute(update(knowledge_bases).values(revision=knowledge_bases.c.revision + 1))
    assert again.found("8002", "k") == {"2.md"}
    assert again.found("8004", "k") == set()
    index = again.indexes.index(again.key("k"), dimension=64)
    with again.database.read() as connection:
        assert index.ids() == searched_chunks.enabled_ids(connection, again.key("k").id, 0)
    again.close()


def test_the_log_of_changes_covers_what_goes_with_a_document(home: Home) -> None:
    home.add("k", TEXTS)
    with home.database.read() as connection:
        before = chunk_changes.last(connection)
        all_ids = searched_chunks.enabled_ids(connection, 1, 0)
    for info in home.catalogue.documents(home.key("k").id):
        home.catalogue.delete_document(home.key("k").id, info.id)
    with home.database.write() as connection:
        assert chunk_changes.since(connection, 1, before) == all_ids
        assert chunk_changes.since(connection, 2, before) == set()
        assert chunk_changes.since(connection, 1, before + 1000) is None, "another catalogue's"
        chunk_changes.trim(connection, keep=2)
        assert chunk_changes.since(connection, 1, before) is None
        newest = chunk_changes.last(connection)
        assert len(chunk_changes.since(connection, 1, newest - 2) or ()) == 2


@pytest.mark.slow
def test_many_small_commits_do_not_each_write_the_whole_index(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[int] = []
    write = home.indexes._write

    def watch(entry: Any, folder: Path) -> None:
        writes.append(len(entry.index))
        write(entry, folder)

    monkeypatch.setattr(home.indexes, "_write", watch)
    for number in range(40):
        home.add("k", {f"{number}.md": f"第{number}条：部门{number}的值班电话是{8000 + number}。"})
    assert writes[:5] == [1, 2, 3, 4, 5]
    assert len(writes) < 28
    home.indexes.save_all()
    assert writes[-1] == 40
    home.indexes.save_all()
    assert writes.count(40) == 1


def test_opening_all_says_what_was_mended(home: Home, expected: list[Hit]) -> None:
    again = open_home(home.folder)
    again.add("other", {"x.md": "另一个知识库。"})
    again.catalogue.create("empty")
    again.close()
    for path in (home.folder / "indexes" / "2").rglob("*"):
        if path.is_file():
            path.unlink()
    third = open_home(home.folder)
    third.indexes.open_all(third.catalogue.keys())
    assert third.indexes.report == IndexReport(opened=1, rebuilt=1, caught_up=0)
    assert third.search(QUERY, "k", top_k=6) == expected
    assert third.indexes.report == IndexReport(opened=1, rebuilt=1, caught_up=0)
    third.close()


def test_files_of_a_knowledge_base_whose_deletion_was_cut_short_go(home: Home) -> None:
    home.add("k", TEXTS)
    home.add("gone", {"a.md": "将被删除。"})
    home.indexes.save_all()
    kept, gone = home.key("k").id, home.key("gone").id
    home.catalogue.delete("gone")  # and a kill before its index is dropped
    (home.folder / "indexes" / f"{gone}-3").mkdir()
    again = open_home(home.folder)
    again.indexes.sweep(again.catalogue.keys)
    assert [path.name for path in (home.folder / "indexes").iterdir()] == [str(kept)]
    again.close()


def test_indexes_outlive_a_temporary_folder_that_is_cleared(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "_own", None)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    home.add("k", {"a.md": "年假共有十五天。"})
    for left in tmp_path.glob("zhiwen-indexes-*"):
        if left.is_dir():
            shutil.rmtree(left)
    assert [result.state for result in home.add("k", {"b.md": "住宿标准为五百元。"})] == ["ready"]
    assert home.found("住宿标准", "k") == {"b.md"}
    assert home.found("年假", "k") == {"a.md"}


def test_an_index_is_written_again_once_its_training_has_ended(home: Home) -> None:
    home.add("k", TEXTS)
    index = home.indexes.index(home.key("k"), dimension=64)
    assert isinstance(index, HybridIndex)
    assert isinstance(index.dense, DenseIndex)
    before = index_files(home.folder)
    home.indexes.save_all()
    assert index_files(home.folder) == before
    index.dense.trained += 1
    home.indexes.save(home.key("k"))
    written = index_files(home.folder)
    assert written != before
    home.indexes.save_all()
    assert index_files(home.folder) == written, "once is enough"


def test_an_index_of_a_later_catalogue_is_made_anew(home: Home, tmp_path: Path) -> None:
    home.add("k", {"a.md": "年假共有十五天。"})
    home.add("other", {"b.md": "班车七点发车。"})
    home.database._outside("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(home.folder / "catalogue.db", tmp_path / "kept.db")
    home.add("k", {"c.md": "住宿标准为五百元。"})
    home.indexes.save_all()
    home.close()
    for path in home.folder.glob("catalogue.db*"):
        path.unlink()
    shutil.copy(tmp_path / "kept.db", home.folder / "catalogue.db")

    back = open_home(home.folder)
    back.add("other", {"d.md": "机房温度为二十二度。", "e.md": "门禁卡在前台领取。"})  # the log catches up
    back.add("k", {"f.md": "打印机在三楼。"})
    assert back.found("打印机在三楼", "k") == {"f.md"}
    assert [hit.document for hit in back.search("住宿标准", "k", threshold=0.3)] == []
    assert back.search("打印机在三楼", "k")[0].keyword_score > 0.9
    assert back.indexes.report == IndexReport(opened=1, rebuilt=1, caught_up=1)
    back.close()
