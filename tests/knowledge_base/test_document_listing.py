"""A long list of documents, a part at a time."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from knowledge_base.document_listing import DocumentListing
from knowledge_base.errors import KnowledgeBaseNotFoundError
from knowledge_base.tables import documents
from tests.knowledge_base.doubles import Home, sections

NAMES = ["A_1.md", "a%2.md", "合同.md", "合同附件.md", "手册.md"]


@pytest.fixture
def listing(home: Home) -> DocumentListing:
    home.add("k", {name: sections(f"{name}共有{at}条。") for at, name in enumerate(NAMES)})
    home.add("k", {"别名.md": sections("手册.md共有4条。")})  # the same bytes by another name
    home.add("其他", {"合同.md": sections("另一份。")})
    with home.database.write() as connection:
        problems = [{"code": "low_confidence", "message": "doubtful"}]
        connection.execute(update(documents).where(documents.c.name == "合同.md").values(problems=problems))
    return DocumentListing(home.catalogue)


def test_parts_follow_one_another_and_make_the_whole(home: Home, listing: DocumentListing) -> None:
    whole = home.catalogue.documents(home.key("k").id)
    parts = [listing.page("k", limit=2, offset=offset) for offset in (0, 2, 4, 6)]
    assert [info for part in parts for info in part.documents] == whole
    assert [info.name for info in whole] == NAMES
    assert whole[-1].other_names == ("别名.md",)
    assert [(len(part.documents), part.total) for part in parts] == [(2, 5), (2, 5), (1, 5), (0, 5)]
    assert listing.page("k").documents == whole


def test_they_are_found_by_any_of_their_names(listing: DocumentListing) -> None:
    def found(name: str) -> list[str]:
        page = listing.page("k", name=name)
        assert page.total == len(page.documents)
        return [info.name for info in page.documents]

    assert found("合同") == ["合同.md", "合同附件.md"]
    assert found(" 别名 ") == ["手册.md"]
    assert found("a") == ["A_1.md", "a%2.md"]
    assert found("%") == ["a%2.md"]
    assert found("_") == ["A_1.md"]
    assert found("没有") == []
    assert [info.name for info in listing.page("k", name="合同", limit=1, offset=1).documents] == [
        "合同附件.md"
    ]


def test_they_are_chosen_by_state(listing: DocumentListing) -> None:
    doubtful = listing.page("其他", state="ready_with_problems")
    assert [(info.name, info.state) for info in doubtful.documents] == [("合同.md", "ready_with_problems")]
    assert listing.page("k", state="ready", limit=1).total == 4
    assert listing.page("k", name="合同", state="ready").total == 1
    with pytest.raises(KnowledgeBaseNotFoundError):
        listing.page("没有")
