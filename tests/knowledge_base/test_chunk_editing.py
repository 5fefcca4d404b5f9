from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event

from knowledge_base.chunk_editing import CHUNK_CHARACTERS, StoredChunk
from knowledge_base.errors import (
    ChunkNotFoundError,
    DocumentNotFoundError,
    EmbedderChangedError,
    InvalidChunkError,
)
from tests.knowledge_base.doubles import BigramEmbedder, Home, InProcessParser, open_home, sections

LEAVE = "员工每年享有十五天年假，须提前申请。"
TRAVEL = "出差住宿标准为每晚五百元，凭票报销。"
SERVER = "机房温度应当保持在二十二摄氏度。"
BY_HAND = "年假自二〇二七年起改为二十天。"


@pytest.fixture
def document(home: Home) -> str:
    (result,) = home.add("k", {"a.md": sections(LEAVE, TRAVEL)})
    assert result.document is not None
    return result.document.id


def chunk(home: Home, document: str, text: str) -> StoredChunk:
    return next(c for c in home.editor.chunks("k", document) if text in c.chunk.text)


def edit(home: Home, document: str) -> StoredChunk:
    return home.editor.change("k", document, chunk(home, document, LEAVE).id, text=f" {BY_HAND} ")


def test_an_edited_chunk_is_found_by_its_new_text_at_once(home: Home, document: str) -> None:
    home.embedder.embedded.clear()
    edited = edit(home, document)
    assert (edited.chunk.text, edited.enabled, edited.edited) == (BY_HAND, True, True)
    assert home.embedder.embedded == [edited.chunk.search_text]
    assert home.found(LEAVE, "k") == set()
    (hit,) = [hit for hit in home.search(BY_HAND, "k") if hit.text == BY_HAND]
    assert (hit.edited, hit.chunk_id, hit.heading_path, hit.boxes()) == (True, edited.id, ("第1节",), ())
    assert [hit.edited for hit in home.search(TRAVEL, "k") if TRAVEL in hit.text] == [False]


def test_an_edited_chunk_can_be_edited_again_and_taken_back(home: Home, document: str) -> None:
    first = edit(home, document)
    second = home.editor.change("k", document, first.id, text=SERVER)
    assert home.found(BY_HAND, "k") == set()
    assert home.found(SERVER, "k") == {"a.md"}
    assert second.edit is not None
    home.editor.discard("k", document, second.edit.id)
    assert home.editor.edits("k", document) == []
    assert home.found(LEAVE, "k") == {"a.md"}
    assert [c.edited for c in home.editor.chunks("k", document)] == [False, False]


def test_a_chunk_is_known_by_the_ids_that_it_had(home: Home, document: str) -> None:
    cited = home.editor.chunks("k", document)[0].id
    first = home.editor.change("k", document, cited, text=BY_HAND)
    second = home.editor.change("k", document, cited, text=BY_HAND + "再改。")
    assert len({cited, first.id, second.id}) == 3
    for id in (cited, first.id, second.id):
        assert home.editor.chunk("k", document, id) == second
    home.rebuilder.rebuild(home.key("k"))
    assert home.editor.chunk("k", document, cited).chunk.text == BY_HAND + "再改。"
    home.editor.delete("k", document, cited)
    with pytest.raises(ChunkNotFoundError):
        home.editor.chunk("k", document, cited)


def test_the_text_as_it_was_is_no_edit(home: Home, document: str) -> None:
    original = chunk(home, document, LEAVE).chunk.text
    back = home.editor.change("k", document, edit(home, document).id, text=original)
    assert (back.edited, back.chunk.text) == (False, original)


def test_a_chunk_that_is_switched_off_is_never_found_until_it_is_on_again(home: Home, document: str) -> None:
    off = home.editor.change("k", document, chunk(home, document, LEAVE).id, enabled=False)
    assert (off.enabled, off.edited) == (False, False)
    assert home.found(LEAVE, "k") == set()
    home.close()
    home = open_home(home.folder)
    home.indexes.drop(home.key("k").id)
    assert home.found(LEAVE, "k") == set()
    home.rebuilder.rebuild(home.key("k"))
    assert home.found(LEAVE, "k") == set()
    home.editor.change("k", document, chunk(home, document, LEAVE).id, enabled=True)
    assert home.found(LEAVE, "k") == {"a.md"}
    home.close()


def test_an_added_chunk_is_found_and_stays_when_the_file_changes(home: Home, document: str) -> None:
    added = home.editor.add("k", document, BY_HAND, page=3, heading_path=["附录"])
    assert (added.chunk.page, added.chunk.heading_path, added.edited) == (3, ("附录",), True)
    assert home.found(BY_HAND, "k") == {"a.md"}
    home.add("k", {"a.md": sections(SERVER)})
    assert [c.chunk.text.splitlines()[-1] for c in home.editor.chunks("k", document)] == [SERVER, BY_HAND]
    home.editor.delete("k", document, chunk(home, document, BY_HAND).id)
    assert home.found(BY_HAND, "k") == set()
    assert home.editor.edits("k", document) == []


def test_a_deleted_chunk_does_not_come_again_until_it_is_restored(home: Home, document: str) -> None:
    home.editor.delete("k", document, chunk(home, document, LEAVE).id)
    assert home.found(LEAVE, "k") == set()
    home.add("k", {"a.md": sections(LEAVE, TRAVEL, SERVER)})
    assert home.found(LEAVE, "k") == set()
    assert home.found(SERVER, "k") == {"a.md"}
    (deleted,) = home.editor.edits("k", document)
    assert (deleted.kind, deleted.conflict) == ("deleted", False)
    home.editor.discard("k", document, deleted.id)
    assert home.found(LEAVE, "k") == {"a.md"}
    bodies = [c.chunk.text.splitlines()[-1] for c in home.editor.chunks("k", document)]
    assert bodies == [LEAVE, TRAVEL, SERVER]


def test_edits_survive_a_new_version_and_other_settings(home: Home, document: str) -> None:
    edit(home, document)
    home.add("k", {"a.md": sections(LEAVE, SERVER)})
    assert home.found(LEAVE, "k") == set()
    assert home.found(BY_HAND, "k") == {"a.md"}
    home.close()
    home = open_home(home.folder, parser=InProcessParser(fingerprint="loaders-2"))
    home.add("k", {"a.md": sections(LEAVE, SERVER)})
    assert home.found(LEAVE, "k") == set()
    assert home.found(BY_HAND, "k") == {"a.md"}
    home.close()


def test_an_edit_whose_chunk_is_gone_is_a_conflict_until_it_comes_back(home: Home, document: str) -> None:
    edit(home, document)
    home.add("k", {"a.md": sections(TRAVEL)})
    (info,) = home.catalogue.documents(home.key("k").id)
    assert info.conflicts == 1
    (found,) = home.editor.edits("k", document)
    assert (found.conflict, found.text, LEAVE in found.original.text) == (True, BY_HAND, True)
    assert home.found(BY_HAND, "k") == set()
    assert home.editor.suggestions("k", document) == {}, "nothing is like it"
    home.add("k", {"a.md": sections(TRAVEL, LEAVE.replace("年假", "休假"))})
    suggested = home.editor.chunks("k", document)[1]
    ((edit_id, (chunk_id, similarity)),) = home.editor.suggestions("k", document).items()
    assert (edit_id, chunk_id) == (found.id, suggested.id)
    assert 0.8 < similarity < 1.0
    home.add("k", {"a.md": sections(LEAVE)})
    assert home.editor.suggestions("k", document) == {}
    assert home.found(BY_HAND, "k") == {"a.md"}
    assert [e.conflict for e in home.editor.edits("k", document)] == [False]


@pytest.mark.parametrize("way", ["of another chunk", "as one of its own", "not at all"])
def test_a_conflict_is_settled(home: Home, document: str, way: str) -> None:
    edit(home, document)
    changed = LEAVE.replace("十五", "十六")
    home.add("k", {"a.md": sections(changed, TRAVEL)})
    (conflict,) = home.editor.edits("k", document)
    if way == "of another chunk":
        home.editor.keep("k", document, conflict.id, chunk_id=chunk(home, document, changed).id)
        assert home.found(changed, "k") == set()
    elif way == "as one of its own":
        home.editor.keep("k", document, conflict.id)
        assert home.found(changed, "k") == {"a.md"}
    else:
        home.editor.discard("k", document, conflict.id)
        assert home.found(changed, "k") == {"a.md"}
    assert home.found(BY_HAND, "k") == (set() if way == "not at all" else {"a.md"})
    assert home.catalogue.document(home.key("k").id, document).conflicts == 0


def test_only_a_conflict_is_settled(home: Home, document: str) -> None:
    made = edit(home, document).edit
    assert made is not None
    for _ in range(2):
        with pytest.raises(ChunkNotFoundError):
            home.editor.keep("k", document, made.id)
    assert [e.text for e in home.editor.edits("k", document)] == [BY_HAND]


def test_a_deletion_in_conflict_is_made_of_an_added_chunk(home: Home, document: str) -> None:
    home.editor.delete("k", document, chunk(home, document, LEAVE).id)
    home.add("k", {"a.md": sections(SERVER, TRAVEL)})
    (conflict,) = home.editor.edits("k", document)
    added = home.editor.add("k", document, BY_HAND)
    home.editor.keep("k", document, conflict.id, chunk_id=added.id)
    assert home.editor.edits("k", document) == []
    assert home.found(BY_HAND, "k") == set()
    assert [SERVER in c.chunk.text for c in home.editor.chunks("k", document)] == [True, False]


@pytest.mark.parametrize("page", [-1, 0, 10**30])
def test_a_page_that_is_none_is_refused(home: Home, document: str, page: int) -> None:
    with pytest.raises(InvalidChunkError):
        home.editor.add("k", document, BY_HAND, page=page)


def test_an_edit_writes_no_chunk_that_stays_as_it_is(home: Home) -> None:
    (result,) = home.add("k", {"a.md": sections(*(f"第{n}条规定。" for n in range(30)))})
    assert result.document is not None
    document = result.document.id
    written: list[Any] = []
    fifth = home.editor.chunks("k", document)[5].id

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.startswith("UPDATE chunks"):
            written.append(parameters)

    event.listen(home.database._engine, "before_cursor_execute", note)
    home.editor.change("k", document, fifth, enabled=False)
    event.remove(home.database._engine, "before_cursor_execute", note)
    assert len(written) == 1
    assert [c.id for c in home.editor.chunks("k", document) if not c.enabled] == [fifth]


def test_of_equal_chunks_the_one_that_was_meant_is_edited(home: Home) -> None:
    (result,) = home.add("k", {"a.md": f"# 同\n\n{LEAVE}\n\n# 同\n\n{LEAVE}"})
    assert result.document is not None
    id = result.document.id
    second = home.editor.chunks("k", id)[1]
    home.editor.change("k", id, second.id, text=BY_HAND)
    home.add("k", {"a.md": f"# 同\n\n{LEAVE}\n\n# 同\n\n{LEAVE}\n\n# 另\n\n{TRAVEL}"})
    home.add("k", {"a.md": f"# 同\n\n{LEAVE}\n\n# 同\n\n{LEAVE}"})
    assert [c.chunk.text for c in home.editor.chunks("k", id)] == [f"同\n{LEAVE}", BY_HAND]


def test_a_name_split_off_takes_the_edits_along(home: Home, document: str) -> None:
    edit(home, document)
    home.add("k", {"b.md": sections(LEAVE, TRAVEL)})
    home.embedder.embedded.clear()
    home.add("k", {"a.md": sections(LEAVE, SERVER)})
    assert not [text for text in home.embedder.embedded if TRAVEL in text or BY_HAND in text]
    assert home.found(BY_HAND, "k") <= {"a.md", "b.md"} != set()
    copy = home.lifecycle.find("k", "b.md")
    assert [c.edited for c in home.editor.chunks("k", copy)] == [True, False]
    (own,), (other,) = home.editor.edits("k", document), home.editor.edits("k", copy)
    assert own.id != other.id


@pytest.mark.parametrize("text", ["", " \n", "字" * (CHUNK_CHARACTERS + 1)])
def test_a_text_that_cannot_be_a_chunk_is_refused(home: Home, document: str, text: str) -> None:
    with pytest.raises(InvalidChunkError):
        home.editor.add("k", document, text)
    with pytest.raises(InvalidChunkError):
        home.editor.change("k", document, chunk(home, document, LEAVE).id, text=text)


def test_what_is_not_there_is_named(home: Home, document: str) -> None:
    (other,) = home.add("k", {"b.md": SERVER})
    assert other.document is not None
    for call in (
        lambda: home.editor.change("k", other.document.id, chunk(home, document, LEAVE).id, enabled=False),
        lambda: home.editor.delete("k", document, 9999),
        lambda: home.editor.discard("k", document, 9999),
        lambda: home.editor.keep("k", document, 9999),
    ):
        with pytest.raises(ChunkNotFoundError):
            call()
    with pytest.raises(DocumentNotFoundError):
        home.editor.add("k", "none", BY_HAND)


def test_a_text_by_hand_is_never_embedded_by_another_model(home: Home, document: str) -> None:
    home.close()
    home = open_home(home.folder, embedder=BigramEmbedder(name="other"))
    with pytest.raises(EmbedderChangedError):
        home.editor.add("k", document, BY_HAND)
    home.close()
