from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, insert, select

from knowledge_base import searched_chunks
from knowledge_base.errors import EmbedderChangedError, NothingKeptError, RebuiltMeanwhileError
from knowledge_base.tables import chunks, document_generations, generations, vectors
from loaders.errors import LoadingCancelledError
from tests.knowledge_base.doubles import BigramEmbedder, Home, InProcessParser, open_home, sections

LEAVE = "员工每年享有十五天年假，须提前申请。"
TRAVEL = "出差住宿标准为每晚五百元，凭票报销。"
SERVER = "机房温度应当保持在二十二摄氏度。"


def other_embedder(home: Home) -> Home:
    home.close()
    return open_home(home.folder, embedder=BigramEmbedder(name="other", dimension=32))


def count(home: Home, table: object) -> int:
    with home.database.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar() or 0  # type: ignore[arg-type]


def test_the_old_state_is_searched_until_the_new_one_is_whole(home: Home) -> None:
    home.add("k", {f"{n}.md": f"第{n}个文件的内容。" for n in range(6)})
    old = home
    home = open_home(old.folder, embedder=BigramEmbedder(name="other", dimension=32))
    seen: list[set[str]] = []
    home.parser.before = lambda _: seen.append(old.found("第3个文件", "k"))
    home.rebuilder.rebuild(home.key("k"))
    assert seen == [{"3.md"}] * 6
    assert home.found("第3个文件", "k") == {"3.md"}
    assert home.key("k").embedder == "other/32"
    with home.database.read() as connection:
        served = chunks.c.generation == home.key("k").generation
        made = select(vectors.c.embedder).distinct().join(chunks, chunks.c.id == vectors.c.chunk_id)
        assert connection.execute(made.where(served)).scalars().all() == ["other/32"]
    with pytest.raises(EmbedderChangedError):
        old.search("第3个文件", "k")
    home.close()


def test_a_rebuild_goes_on_where_it_was_stopped(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge_base.rebuilding.COMMIT_CHUNKS", 1)
    home.add("k", {f"{n}.md": f"第{n}个文件的内容。" for n in range(5)})
    home = other_embedder(home)
    read: list[str] = []
    home.parser.before = read.append
    with pytest.raises(LoadingCancelledError):
        home.rebuilder.rebuild(home.key("k"), cancelled=lambda: len(home.embedder.embedded) == 3)
    home.close()
    home = open_home(home.folder, embedder=BigramEmbedder(name="other", dimension=32))
    home.parser.before = read.append
    home.rebuilder.rebuild(home.key("k"))
    assert sorted(read) == [f"{n}.md" for n in range(5)], "nothing is read twice"
    assert len(home.embedder.embedded) == 2
    assert home.found("第4个文件", "k") == {"4.md"}
    home.close()


def test_what_was_begun_for_other_settings_is_discarded(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge_base.rebuilding.COMMIT_CHUNKS", 1)
    home.add("k", {"a.md": LEAVE, "b.md": TRAVEL})
    home = other_embedder(home)
    with pytest.raises(LoadingCancelledError):
        home.rebuilder.rebuild(home.key("k"), cancelled=lambda: len(home.embedder.embedded) == 1)
    assert count(home, chunks) == 3
    home.close()
    home = open_home(home.folder, embedder=BigramEmbedder(name="third"))
    home.rebuilder.rebuild(home.key("k"))
    assert count(home, chunks) == 4, "the new and the kept"
    assert count(home, generations) == 1
    home.close()


def test_documents_that_change_meanwhile_are_taken_along(tmp_path: Path) -> None:
    home = open_home(tmp_path / "data")
    results = home.add("k", {"a.md": LEAVE, "b.md": TRAVEL})
    first = results[0].document
    assert first is not None
    parser = InProcessParser(fingerprint="loaders-2")
    other = open_home(home.folder, parser=parser)

    def change(name: str) -> None:
        if name == "b.md":
            parser.before = lambda _: None
            home.add("k", {"a.md": SERVER, "c.md": "新来的文件。"})
            home.editor.add("k", first.id, "手写的一段。")

    parser.before = change
    other.rebuilder.rebuild(other.key("k"))
    assert other.texts("k") == {"a.md": [SERVER, "手写的一段。"], "b.md": [TRAVEL], "c.md": ["新来的文件。"]}
    assert other.found("手写的一段", "k") == {"a.md"}
    assert other.found(LEAVE, "k") == set()
    assert {state for *_, state in [(f.name, f.state) for f in other.add("k", {"c.md": "新来的文件。"})]} == {
        "unchanged"
    }
    other.close()
    home.close()


def test_rolled_back_to_what_was_searched_before(home: Home) -> None:
    home.add("k", {"a.md": sections(LEAVE, TRAVEL)})
    before = home.search(LEAVE, "k")
    with pytest.raises(NothingKeptError):
        home.rebuilder.rollback(home.key("k"))
    home = other_embedder(home)
    home.rebuilder.rebuild(home.key("k"))
    home.rebuilder.rollback(home.key("k"))
    home.close()
    home = open_home(home.folder)
    assert home.search(LEAVE, "k") == before
    assert home.embedder.embedded == []
    # And forth again.
    home.rebuilder.rollback(home.key("k"))
    assert home.key("k").embedder == "other/32"
    home.rebuilder.forget_previous(home.key("k"))
    assert (count(home, chunks), count(home, generations), count(home, document_generations)) == (2, 0, 0)
    home.close()


def test_rolled_back_with_what_came_since(tmp_path: Path) -> None:
    home = open_home(tmp_path / "data")
    home.add("k", {"a.md": LEAVE, "b.md": TRAVEL})
    home.close()
    home = open_home(tmp_path / "data", parser=InProcessParser(fingerprint="loaders-2"))
    home.rebuilder.rebuild(home.key("k"))
    home.add("k", {"c.md": SERVER, "b.md": "改过的文件。"})
    home.embedder.embedded.clear()
    home.rebuilder.rollback(home.key("k"))
    assert home.embedder.embedded == []
    assert home.texts("k") == {"a.md": [LEAVE], "b.md": ["改过的文件。"], "c.md": [SERVER]}
    assert home.found(TRAVEL, "k") == set()
    assert home.found(SERVER, "k") == {"c.md"}
    home.close()


def test_going_back_to_vectors_that_cannot_be_made_leaves_all_as_it_is(home: Home) -> None:
    home.add("k", {"a.md": LEAVE})
    home = other_embedder(home)
    home.rebuilder.rebuild(home.key("k"))
    home.add("k", {"b.md": TRAVEL})
    with pytest.raises(EmbedderChangedError):
        home.rebuilder.rollback(home.key("k"))
    assert home.found(TRAVEL, "k") == {"b.md"}
    assert home.found(LEAVE, "k") == {"a.md"}
    home.close()


@pytest.mark.slow
def test_no_more_than_a_batch_is_held(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge_base.rebuilding.COMMIT_CHUNKS", 4)
    home.add("k", {f"{n}.md": f"第{n}个文件的内容。" for n in range(20)})
    home = other_embedder(home)
    sizes: list[int] = []
    encode = home.embedder.encode_documents

    def counted(texts: Sequence[str]) -> np.ndarray:
        sizes.append(len(texts))
        return encode(texts)

    monkeypatch.setattr(home.embedder, "encode_documents", counted)
    home.rebuilder.rebuild(home.key("k"))
    assert sizes == [4] * 5
    home.close()


def test_edits_and_their_conflicts_belong_to_the_generation(home: Home) -> None:
    (result,) = home.add("k", {"a.md": LEAVE})
    assert result.document is not None
    id = result.document.id
    (chunk,) = home.editor.chunks("k", id)
    home.editor.change("k", id, chunk.id, text="手写的一段。")
    home = other_embedder(home)
    home.rebuilder.rebuild(home.key("k"))
    assert home.found("手写的一段", "k") == {"a.md"}
    assert home.found(LEAVE, "k") == set()
    assert [c.edited for c in home.editor.chunks("k", id)] == [True]
    home.close()


@pytest.mark.parametrize("second", ["other", "third"])
@pytest.mark.slow
def test_a_rebuild_that_another_overtakes_stops_and_harms_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch, second: str
) -> None:
    home.add("k", {"a.md": LEAVE, "b.md": TRAVEL})
    embedders = [BigramEmbedder(name=name) for name in ("bigrams", "other", "third")]
    first = open_home(home.folder, embedder=embedders[1], former=embedders)
    other = open_home(home.folder, embedder=BigramEmbedder(name=second), former=embedders)
    embed = first.ingestor.embedding.embed

    def overtaken(*args: Any, **options: Any) -> Any:
        vectors = embed(*args, **options)
        other.rebuilder.rebuild(other.key("k"))
        return vectors

    with monkeypatch.context() as patch:
        patch.setattr(first.ingestor.embedding, "embed", overtaken)
        with pytest.raises(RebuiltMeanwhileError):
            first.rebuilder.rebuild(first.key("k"))
    served = other.key("k")
    assert served.embedder == f"{second}/64"
    with home.database.read() as connection:
        assert searched_chunks.embedders(connection, served.id, served.generation) == {f"{second}/64"}
    assert other.found(LEAVE, "k") == {"a.md"}
    last = open_home(home.folder, embedder=BigramEmbedder(name="last"), former=embedders)
    last.rebuilder.rebuild(last.key("k"))
    last.rebuilder.rollback(last.key("k"))
    assert last.found(TRAVEL, "k") == {"b.md"}
    for each in (first, other, last):
        each.close()


def test_what_was_left_of_a_generation_does_not_stop_the_next_rebuild(home: Home) -> None:
    (result,) = home.add("k", {"a.md": LEAVE})
    assert result.document is not None
    left = {"revision": 0, "format": "", "pages": 0, "problems": [], "pipeline": "", "conflicts": []}
    with home.database.write() as connection:
        connection.execute(
            insert(document_generations).values(document_id=result.document.id, generation=0, **left)
        )
    home = other_embedder(home)
    home.rebuilder.rebuild(home.key("k"))
    assert home.found(LEAVE, "k") == {"a.md"}
    home.close()


def test_a_document_renamed_meanwhile_keeps_its_edits(home: Home) -> None:
    (result,) = home.add("k", {"a.md": sections(LEAVE, TRAVEL)})
    assert result.document is not None
    id = result.document.id
    home.editor.change("k", id, home.editor.chunks("k", id)[0].id, text="年假改为二十天。")
    home = other_embedder(home)

    def rename(_name: str) -> None:
        home.lifecycle.rename("k", id, "z.md")

    home.parser.before = rename
    home.rebuilder.rebuild(home.key("k"))
    assert home.texts("k") == {"z.md": ["年假改为二十天。", f"第2节\n{TRAVEL}"]}
    assert [edit.conflict for edit in home.editor.edits("k", id)] == [False]
    home.close()


def test_what_was_begun_goes_when_the_settings_are_put_back(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("knowledge_base.rebuilding.COMMIT_CHUNKS", 1)
    home.add("k", {"a.md": LEAVE, "b.md": TRAVEL})
    other = open_home(home.folder, embedder=BigramEmbedder(name="other"))
    with pytest.raises(LoadingCancelledError):
        other.rebuilder.rebuild(other.key("k"), cancelled=lambda: len(other.embedder.embedded) == 1)
    other.close()
    home.rebuilder.rebuild(home.key("k"))
    assert (count(home, chunks), count(home, generations), count(home, document_generations)) == (2, 0, 0)


def test_the_index_that_is_searched_no_more_leaves_the_memory(home: Home) -> None:
    home.add("k", {"a.md": LEAVE})
    home = other_embedder(home)
    home.indexes.index(home.key("k"), dimension=64)
    home.rebuilder.rebuild(home.key("k"))
    assert list(home.indexes._entries) == [(home.key("k").id, 1)]
    home.close()
