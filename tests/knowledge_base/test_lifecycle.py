from __future__ import annotations

from dataclasses import replace

import pytest

from knowledge_base.errors import (
    DocumentExistsError,
    DocumentNotFoundError,
    EmbedderChangedError,
    InvalidNameError,
)
from knowledge_base.types import DocumentInfo
from tests.knowledge_base.doubles import BigramEmbedder, Home, open_home, sections

LEAVE = "员工每年享有十五天年假，须提前申请。"
TRAVEL = "出差住宿标准为每晚五百元，凭票报销。"
SERVER = "机房温度应当保持在二十二摄氏度。"


def added(home: Home, name: str, text: str, knowledge_base: str = "k") -> DocumentInfo:
    (result,) = home.add(knowledge_base, {name: text})
    assert result.document is not None
    return result.document


def test_versions_are_listed_newest_first_and_only_the_last_is_found(home: Home) -> None:
    info = added(home, "a.md", LEAVE)
    added(home, "a.md", LEAVE)
    added(home, "a.md", sections(TRAVEL, SERVER))
    versions = home.lifecycle.versions("k", info.id)
    assert [(v.number, v.name, v.chunks, v.pages) for v in versions] == [(2, "a.md", 2, 1), (1, "a.md", 1, 1)]
    assert versions[0].sha256 != versions[1].sha256
    assert versions[1].size == len(LEAVE.encode())
    assert home.found(LEAVE, "k") == set()
    with pytest.raises(DocumentNotFoundError):
        home.lifecycle.versions("k", "none")


def test_a_file_may_replace_a_document_under_another_name(home: Home) -> None:
    info = added(home, "a.md", LEAVE)
    stored = home.store("b.txt", TRAVEL)
    file = type(stored)(stored.name, stored.sha256, stored.size, stored.path, replaces=info.id)
    (result,) = home.ingestor.ingest(home.key("k"), [file])
    assert result.document is not None
    assert (result.document.id, result.document.name, result.document.format) == (info.id, "b.txt", "text")
    assert home.texts("k") == {"b.txt": [TRAVEL]}
    assert home.lifecycle.find("k", "b.txt") == info.id
    with pytest.raises(DocumentNotFoundError):
        home.lifecycle.find("k", "a.md")


@pytest.mark.parametrize("name", ["b.txt", "c.txt"])
def test_a_file_that_replaces_a_document_takes_no_name_of_another(home: Home, name: str) -> None:
    info = added(home, "a.md", LEAVE)
    other = added(home, "b.txt", TRAVEL)
    home.add("k", {"c.txt": TRAVEL})
    file = replace(home.store(name, SERVER), replaces=info.id)
    (result,) = home.ingestor.ingest(home.key("k"), [file])
    assert (result.state, [problem.code for problem in result.problems]) == ("failed", ["document_exists"])
    assert home.texts("k") == {"a.md": [LEAVE], "b.txt": [TRAVEL]}
    assert home.lifecycle.find("k", name) == other.id
    with pytest.raises(DocumentExistsError):
        home.lifecycle.check_free("k", name, info.id)
    home.lifecycle.check_free("k", name, other.id)


def test_a_name_that_cannot_be_encoded_is_no_document(home: Home) -> None:
    added(home, "a.md", LEAVE)
    with pytest.raises(DocumentNotFoundError):
        home.lifecycle.find("k", "\udcff")


def test_renaming(home: Home) -> None:
    info = added(home, "a.md", LEAVE)
    added(home, "axb.md", TRAVEL)
    revision = home.key("k").revision
    renamed = home.lifecycle.rename("k", info.id, " 制度/中文-a_b%.md ")
    assert (renamed.id, renamed.name) == (info.id, "制度/中文-a_b%.md")
    assert home.key("k").revision == revision + 1, "a document is found by its name too"
    assert home.found(LEAVE, "k") == {"制度/中文-a_b%.md"}
    with pytest.raises(DocumentExistsError):
        home.lifecycle.rename("k", info.id, "axb.md")
    with pytest.raises(InvalidNameError):
        home.lifecycle.rename("k", info.id, "../a")
    # The old name is free.
    assert added(home, "a.md", SERVER).id != info.id


def test_a_renamed_document_is_found_by_its_new_name(home: Home) -> None:
    manual = added(home, "SG-200手册.md", "功耗不超过14瓦。")
    added(home, "SG-300手册.md", "功耗不超过21瓦。")
    question = "SG-300 功耗"
    assert home.search(question, "k")[0].document == "SG-300手册.md"
    first, second = home.search("SG-200 功耗", "k")
    assert (first.document_id, second.document) == (manual.id, "SG-300手册.md")
    assert first.keyword_score > second.keyword_score + 0.1
    home.lifecycle.rename("k", second.document_id, "旧型号手册.md")
    home.lifecycle.rename("k", manual.id, "SG-300新手册.md")
    assert home.search(question, "k")[0].document_id == manual.id


def test_a_document_may_go_by_another_of_its_names(home: Home) -> None:
    info = added(home, "a.md", LEAVE)
    added(home, "b.md", LEAVE)
    renamed = home.lifecycle.rename("k", info.id, "b.md")
    assert (renamed.name, renamed.other_names) == ("b.md", ())


def test_moving_takes_the_vectors_along(home: Home) -> None:
    info = added(home, "a.md", LEAVE)
    added(home, "b.md", LEAVE)
    added(home, "c.md", TRAVEL)
    home.catalogue.create("axb")
    home.embedder.embedded.clear()
    moved = home.lifecycle.move("k", info.id, "axb")
    assert (moved.id, moved.name, moved.other_names) == (info.id, "a.md", ("b.md",))
    assert home.found(LEAVE, "k") == set()
    assert home.found(LEAVE, "axb") == {"a.md"}
    assert home.found(TRAVEL, "k") == {"c.md"}
    assert home.embedder.embedded == []
    (again,) = home.add("axb", {"b.md": LEAVE})
    assert again.state == "unchanged"
    # And the names are free where it was.
    assert home.add("k", {"a.md": SERVER})[0].state == "ready"


def test_moving_and_renaming_is_one_change_or_none(home: Home) -> None:
    info = added(home, "a.md", LEAVE)
    added(home, "taken.md", TRAVEL, "other")
    with pytest.raises(DocumentExistsError):
        home.lifecycle.move("k", info.id, "other", name="taken.md")
    with pytest.raises(InvalidNameError):
        home.lifecycle.move("k", info.id, "other", name="../a")
    assert home.found(LEAVE, "k") == {"a.md"}
    assert home.texts("other") == {"taken.md": [TRAVEL]}
    assert home.lifecycle.move("k", info.id, "other", name="b.md").name == "b.md"
    assert home.lifecycle.move("other", info.id, "other", name="c.md").name == "c.md"
    assert home.found(LEAVE, "other") == {"c.md"}


def test_moving_never_touches_a_neighbour_nor_mixes_vectors(home: Home) -> None:
    info = added(home, "a.md", LEAVE)
    other = added(home, "a.md", TRAVEL, "other")
    with pytest.raises(DocumentExistsError):
        home.lifecycle.move("k", info.id, "other")
    with pytest.raises(DocumentNotFoundError):
        home.lifecycle.move("k", other.id, "other")
    assert home.texts("other") == {"a.md": [TRAVEL]}
    assert home.lifecycle.move("k", info.id, "k") == info
    added(home, "b.md", SERVER, "fremd")
    home.close()
    home = open_home(home.folder, embedder=BigramEmbedder(name="other"))
    home.rebuilder.rebuild(home.key("k"))
    # The embedder that the goal was made with is not to be had any more.
    with pytest.raises(EmbedderChangedError):
        home.lifecycle.move("k", info.id, "fremd")
    assert home.found(LEAVE, "k") == {"a.md"}
    home.close()


def test_a_name_is_deleted_and_the_document_with_its_last(home: Home) -> None:
    info = added(home, "a.md", LEAVE)
    added(home, "b.md", LEAVE)
    assert home.lifecycle.delete_name("k", "a.md") == info.id
    assert home.found(LEAVE, "k") == {"b.md"}
    with pytest.raises(DocumentNotFoundError):
        home.lifecycle.delete_name("k", "a.md")
    with pytest.raises(DocumentNotFoundError):
        home.lifecycle.delete_name("k", "b.md", document_id="another")
    assert home.lifecycle.delete_name("k", "b.md", document_id=info.id) == info.id
    assert home.found(LEAVE, "k") == set()
    assert list((home.folder / "files").glob("??/*")) == []


def test_a_document_deleted_by_its_id_goes_under_all_its_names(home: Home) -> None:
    info = added(home, "a.md", LEAVE)
    added(home, "b.md", LEAVE)
    home.delete("k", info.id)
    assert home.found(LEAVE, "k") == set()
    assert home.catalogue.documents(home.key("k").id) == []
    assert added(home, "b.md", LEAVE).id != info.id
