from __future__ import annotations

import errno
import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from knowledge_base.types import Hit
from tests.knowledge_base.doubles import BigramEmbedder, Home, open_home

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
