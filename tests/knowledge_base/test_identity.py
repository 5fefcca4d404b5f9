"""The same bytes under several names, and what becomes of them when one of the names gets others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from knowledge_base.errors import DocumentNotFoundError
from knowledge_base.types import DocumentInfo
from tests.knowledge_base.doubles import Home, open_home, sections

LEAVE = "员工每年享有十五天年假，须提前申请。"
TRAVEL = "出差住宿标准为每晚五百元，凭票报销。"
SERVER = "机房温度应当保持在二十二摄氏度。"


def documents(home: Home) -> dict[str, DocumentInfo]:
    return {info.name: info for info in home.catalogue.documents(home.key("k").id)}


@pytest.fixture
def pair(home: Home) -> Home:
    """One document known as a.txt and as b.txt."""
    home.add("k", {"a.txt": sections(LEAVE, TRAVEL)})
    home.add("k", {"b.txt": sections(LEAVE, TRAVEL)})
    home.embedder.embedded.clear()
    return home


def test_a_second_name_of_the_same_bytes_is_known_and_costs_nothing(pair: Home) -> None:
    (info,) = pair.catalogue.documents(pair.key("k").id)
    assert (info.name, info.other_names) == ("a.txt", ("b.txt",))
    (again,) = pair.add("k", {"b.txt": sections(LEAVE, TRAVEL)})
    assert (again.name, again.state, again.document) == ("b.txt", "unchanged", info)
    assert pair.embedder.embedded == []
    assert len(list((pair.folder / "files").glob("??/*"))) == 1


def test_replacing_the_first_name_leaves_the_other_its_text(pair: Home) -> None:
    before = documents(pair)["a.txt"]
    (result,) = pair.add("k", {"a.txt": SERVER})
    after = documents(pair)
    assert result.state == "ready"
    assert (after["a.txt"].id, after["a.txt"].other_names) == (before.id, ())
    assert (after["b.txt"].id == before.id, after["b.txt"].chunks) == (False, 2)
    assert pair.embedder.embedded == [SERVER]
    assert pair.found(LEAVE, "k") == pair.found(TRAVEL, "k") == {"b.txt"}
    assert pair.found(SERVER, "k") == {"a.txt"}
    assert len(list((pair.folder / "files").glob("??/*"))) == 2


def test_replacing_another_name_makes_a_document_of_its_own(pair: Home) -> None:
    before = documents(pair)["a.txt"]
    (result,) = pair.add("k", {"b.txt": SERVER})
    after = documents(pair)
    assert result.document == after["b.txt"]
    assert after["b.txt"].id != before.id
    assert (after["a.txt"].id, after["a.txt"].other_names) == (before.id, ())
    assert pair.found(LEAVE, "k") == {"a.txt"}
    assert pair.found(SERVER, "k") == {"b.txt"}


def test_another_name_goes_to_where_its_new_bytes_are(pair: Home) -> None:
    pair.add("k", {"c.txt": SERVER})
    pair.embedder.embedded.clear()
    (result,) = pair.add("k", {"b.txt": SERVER})
    after = documents(pair)
    assert (result.state, result.document) == ("unchanged", after["c.txt"])
    assert {name: info.other_names for name, info in after.items()} == {"a.txt": (), "c.txt": ("b.txt",)}
    assert pair.embedder.embedded == []


def test_of_several_other_names_the_oldest_leads(pair: Home) -> None:
    pair.add("k", {"c.txt": sections(LEAVE, TRAVEL)})
    pair.add("k", {"a.txt": SERVER})
    assert {name: info.other_names for name, info in documents(pair).items()} == {
        "a.txt": (),
        "b.txt": ("c.txt",),
    }


def test_one_batch_may_change_one_name_and_bring_the_old_bytes_under_another(home: Home) -> None:
    home.add("k", {"a.txt": LEAVE})
    first, second = home.add("k", {"a.txt": SERVER, "b.txt": LEAVE})
    found = documents(home)
    assert first.document == found["a.txt"]
    assert second.document == found["b.txt"]
    assert home.texts("k") == {"a.txt": [SERVER], "b.txt": [LEAVE]}


def test_bytes_are_recognised_after_a_failed_try(home: Home) -> None:
    home.embedder.available = False
    (failed,) = home.add("k", {"a.txt": LEAVE})
    home.embedder.available = True
    (second,) = home.add("k", {"b.txt": LEAVE})
    (third,) = home.add("k", {"a.txt": LEAVE})
    assert (failed.state, second.state, third.state) == ("failed", "ready", "unchanged")
    assert home.embedder.embedded == [LEAVE]
    assert documents(home)["b.txt"].other_names == ("a.txt",)


def test_names_are_kept_over_a_restart(pair: Home) -> None:
    pair.close()
    again = open_home(pair.folder)
    assert documents(again)["a.txt"].other_names == ("b.txt",)
    again.close()


@pytest.mark.parametrize("other", ["A.txt", "a_txt", "a%txt", "中文-a_b%.txt", "👍.txt", "文" * 396 + ".txt"])
@pytest.mark.slow
def test_a_name_is_compared_as_it_is(home: Home, other: str) -> None:
    home.add("k", {"a.txt": LEAVE})
    home.add("k", {other: LEAVE})
    home.add("k", {other: TRAVEL})
    assert home.texts("k") == {"a.txt": [LEAVE], other: [TRAVEL]}


def test_a_document_corrected_to_what_another_is_keeps_its_id_and_costs_nothing(home: Home) -> None:
    home.add("k", {"a.txt": LEAVE, "b.txt": TRAVEL})
    before = documents(home)
    home.embedder.embedded.clear()
    (result,) = home.add("k", {"b.txt": LEAVE})
    after = documents(home)
    assert result.state == "ready"
    assert {name: info.id for name, info in after.items()} == {name: info.id for name, info in before.items()}
    assert home.embedder.embedded == []
    assert [hit.document for hit in home.search(LEAVE, "k")] == ["a.txt"], "hits that say the same are folded"
    (third,) = home.add("k", {"c.txt": LEAVE})
    assert (third.state, third.document and third.document.id) == ("unchanged", before["a.txt"].id)
    home.delete("k", before["a.txt"].id)
    assert home.found(LEAVE, "k") == {"b.txt"}


def test_a_name_belongs_to_who_gave_it_last(home: Home) -> None:
    folder = "/the/folder"

    def mirror(text: str) -> None:
        file = replace(home.store("a.txt", text), origin=folder)
        home.ingestor.ingest(home.key("k"), [file])
        home.let_go([file])

    home.add("k", {"a.txt": LEAVE})
    mirror(LEAVE)
    assert set(home.lifecycle.names_from("k", folder)) == {"a.txt"}, "the folder has it, so it follows it"
    home.add("k", {"a.txt": TRAVEL})
    assert home.lifecycle.names_from("k", folder) == {}
    with pytest.raises(DocumentNotFoundError):
        home.lifecycle.delete_name("k", "a.txt", origin=folder)
    assert home.found(TRAVEL, "k") == {"a.txt"}
    mirror(SERVER)
    home.add("k", {"b.txt": SERVER})
    home.add("k", {"a.txt": SERVER})
    assert home.lifecycle.names_from("k", folder) == {}
    mirror(SERVER)
    home.lifecycle.delete_name("k", "a.txt", origin=folder)
    assert home.found(SERVER, "k") == {"b.txt"}


def test_a_name_split_off_stays_the_folders(home: Home) -> None:
    file = replace(home.store("b.txt", LEAVE), origin="/the/folder")
    home.add("k", {"a.txt": LEAVE})
    home.ingestor.ingest(home.key("k"), [file])
    home.add("k", {"a.txt": TRAVEL})
    names = home.lifecycle.names_from("k", "/the/folder")
    assert names == {"b.txt": documents(home)["b.txt"].id}
