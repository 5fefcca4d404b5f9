from __future__ import annotations

from string import ascii_uppercase

import numpy as np
import pytest

from knowledge_base.errors import KnowledgeBaseNotFoundError
from tests.knowledge_base.doubles import Home

DUTIES = {
    "0.md": "采购部负责招标，供应商名录每季度更新。",
    "1.md": "法务部审查合同，盖章之前须有两人签字。",
    "2.md": "机房夜间由运维小组值守，告警十分钟内响应。",
    "3.md": "食堂早餐七点开放，凭工牌就餐。",
    "4.md": "班车沿江路站七点四十发车，周末停运。",
    "5.md": "财务部月末结账，报销单据截止到二十五日。",
    "6.md": "仓库盘点使用扫码枪，差异当天登记。",
    "7.md": "访客在前台领取临时门禁卡，离开时归还。",
}
QUERY = "财务部报销单据何时截止"


@pytest.fixture
def two(home: Home) -> Home:
    home.add("甲", dict(list(DUTIES.items())[:4]))
    home.add("乙", dict(list(DUTIES.items())[4:]))
    return home


def test_two_knowledge_bases_are_searched_together(two: Home) -> None:
    together = two.search(QUERY, "甲", "乙", top_k=8)
    assert (together[0].knowledge_base, together[0].document) == ("乙", "5.md")
    assert {hit.document for hit in together} == set(DUTIES)
    assert {hit.knowledge_base for hit in together if hit.document in {"0.md", "3.md"}} == {"甲"}
    assert [hit.score for hit in together] == sorted((hit.score for hit in together), reverse=True)
    assert two.search(QUERY, "乙", "甲", "乙", top_k=8) == together
    alone = two.search(QUERY, "乙", top_k=8)
    assert {hit.document for hit in alone} == {"4.md", "5.md", "6.md", "7.md"}
    assert two.search(QUERY, "甲", "乙", top_k=3) == together[:3]


def test_one_knowledge_base_split_in_two_gives_the_same_hits_and_scores(two: Home) -> None:
    two.add("全", {f"copy-{name}": text for name, text in DUTIES.items()})
    for query in (QUERY, "告警谁响应", "班车", "签字"):
        whole, split = two.search(query, "全", top_k=8), two.search(query, "甲", "乙", top_k=8)
        assert [hit.text for hit in split] == [hit.text for hit in whole]
        assert [hit.score for hit in split] == pytest.approx([hit.score for hit in whole])
        assert [hit.keyword_score for hit in split] == pytest.approx([hit.keyword_score for hit in whole])


def test_of_passages_that_say_the_same_the_oldest_is_given(home: Home) -> None:
    for name in ("乙", "甲", "丙"):
        home.add(name, {"a.md": "每年体检一次。"})
    for order in (("甲", "乙", "丙"), ("丙", "甲", "乙")):
        assert [hit.knowledge_base for hit in home.search("体检", *order)] == ["乙"]
    assert [hit.knowledge_base for hit in home.search("体检", "丙", "甲")] == ["甲"]


def test_equal_scores_come_in_the_order_of_age(home: Home) -> None:
    texts = ("午休一小时。", "周五大扫除。")
    home.add("乙", {"1.md": texts[0]})
    home.add("甲", {"2.md": texts[1]})
    vectors = home.embedder.encode_documents(texts)
    # A word that is as far from the one as from the other, so that the scores are equal.
    query = next(word for word in ascii_uppercase if not (vectors @ home.embedder.encode_query(word)).any())
    for order in (("甲", "乙"), ("乙", "甲")):
        hits = home.search(query, *order)
        assert [hit.knowledge_base for hit in hits] == ["乙", "甲"]
        assert hits[0].score == hits[1].score


def test_a_higher_threshold_only_takes_away(two: Home) -> None:
    everything = two.search(QUERY, "甲", "乙", top_k=8)
    assert len(everything) == 8
    for threshold in np.linspace(0.0, 1.0, 11):
        hits = two.search(QUERY, "甲", "乙", top_k=8, threshold=float(threshold))
        assert hits == [hit for hit in everything if hit.score >= threshold]
    exactly = everything[3].score
    assert everything[3] in two.search(QUERY, "甲", "乙", top_k=8, threshold=exactly)


def test_only_the_documents_asked_for(two: Home) -> None:
    ids = {info.name: info.id for name in ("甲", "乙") for info in two.catalogue.documents(two.key(name).id)}
    hits = two.search(QUERY, "甲", "乙", document_ids=[ids["2.md"], ids["6.md"]])
    assert {hit.document for hit in hits} == {"2.md", "6.md"}
    unfiltered = {hit.document: hit.score for hit in two.search(QUERY, "甲", "乙", top_k=8)}
    for hit in hits:
        assert hit.score == pytest.approx(unfiltered[hit.document], rel=1e-4)
    assert two.search(QUERY, "甲", "乙", document_ids=[]) == []
    assert two.search(QUERY, "甲", "乙", document_ids=["no such document", "%"]) == []


def test_an_empty_knowledge_base_finds_nothing(home: Home) -> None:
    home.catalogue.create("空")
    assert home.search("财务部", "空") == []
    home.add("甲", DUTIES)
    home.delete("甲", home.catalogue.documents(home.key("甲").id)[0].id)
    for info in home.catalogue.documents(home.key("甲").id):
        home.delete("甲", info.id)
    assert home.search("财务部", "甲", "空") == []


def test_a_missing_knowledge_base_is_named(two: Home) -> None:
    with pytest.raises(KnowledgeBaseNotFoundError) as caught:
        two.search("财务部", "甲", "丙")
    assert caught.value.details == {"name": "丙"}


def test_deleted_chunks_take_no_place_among_the_best(two: Home) -> None:
    best = two.search(QUERY, "甲", top_k=1)[0]
    two.delete("甲", best.document_id)
    hits = two.search(QUERY, "甲", top_k=2)
    assert len(hits) == 2
    assert best.document not in {hit.document for hit in hits}


def test_the_querys_vector_comes_back(two: Home) -> None:
    retrieval = two.retriever.search("电话", ["甲"], top_k=1, threshold=0.0)
    np.testing.assert_array_equal(retrieval.query_vector, two.embedder.encode_query("电话"))


def test_a_hit_on_a_damaged_page_of_the_catalogue_is_left_out_and_told(home: Home) -> None:
    bodies = {f"{n}.md": f"第{n}条：部门{n}的值班电话。" + f"{n}" * 3000 for n in range(8)}
    home.add("k", bodies)
    query = "值班电话"
    whole = home.retriever.search(query, ["k"], top_k=30, threshold=0.0)
    assert (len({hit.document for hit in whole.hits}), whole.unreadable) == (8, 0)
    home.database._outside("PRAGMA wal_checkpoint(TRUNCATE)")
    home.database.close()
    path = home.folder / "catalogue.db"
    content = bytearray(path.read_bytes())
    place = content.index("部门3的值班电话".encode()) // 4096 * 4096
    assert place > 0
    content[place : place + 4096] = b"\xff" * 4096
    path.write_bytes(content)

    left = home.retriever.search(query, ["k"], top_k=30, threshold=0.0, neighbours=True)
    documents = {hit.document for hit in left.hits}
    assert "3.md" not in documents
    assert left.unreadable > 0
    assert {hit.chunk_id for hit in left.hits} < {hit.chunk_id for hit in whole.hits}
    assert documents
