"""A second look at hits that are unsure, sentence by sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from knowledge_base.evidence import SecondLook
from knowledge_base.retrieval import Retriever
from knowledge_base.types import Hit
from models.errors import ModelError
from tests.knowledge_base.doubles import BigramEmbedder, Home
from vectorstore.evidence import EVIDENCE, AnswerabilityEvidence, SentenceEvidence
from vectorstore.synonyms import Synonyms

QUERY = "报销单据何时截止"
NEAREST = SentenceEvidence(weights={**dict.fromkeys(EVIDENCE, 0.0), "nearest": 10.0}, intercept=-5.0)
"""Goes by the nearest sentence alone."""
NAMED = SentenceEvidence(weights={**dict.fromkeys(EVIDENCE, 0.0), "missing_names": -4.0}, intercept=2.0)
"""Goes by the names that the question quotes."""

KEEPING = SentenceEvidence(weights={**dict.fromkeys(EVIDENCE, 0.0), "relevance": 1.0}, intercept=0.0)
"""Changes nothing."""
READ = AnswerabilityEvidence(weights={"relevance": 0.5, "answerability": 1.0}, intercept=-1.0)


class _Reader:
    """Answers with the number of characters of the text, and remembers what it read."""

    def __init__(self) -> None:
        self.read: list[tuple[str, str]] = []

    def logits(self, question: str, passages: Sequence[str]) -> np.ndarray:
        self.read += [(question, passage) for passage in passages]
        return np.array([len(passage) / 10 for passage in passages], np.float32)


def _hit(number: int, score: float, text: str, **more: Any) -> Hit:
    return Hit(score, 0.5, 0.5, "制度", "a.md", "a", number, None, text, **more)


def _relevance(embedder: BigramEmbedder, *sentences: str) -> float:
    vectors = embedder.encode_documents(sentences)
    nearest = (vectors @ embedder.encode_query(QUERY)).max()
    return float(1 / (1 + np.exp(5 - 10 * nearest)))


def test_hits_that_are_unsure_are_weighed_by_their_nearest_sentence() -> None:
    embedder = BigramEmbedder()
    hits = [
        _hit(1, 0.95, "午休一小时。"),
        _hit(2, 0.5, "午休一小时。报销单据截止到二十五日。"),
        _hit(3, 0.5, "请找前台。", question="单据何时截止？"),
        _hit(4, 0.05, "报销单据何时截止"),
        _hit(5, 0.5, ""),
    ]
    weighed = SecondLook()(QUERY, hits, embedder.encode_query(QUERY), embedder, NEAREST)
    assert [hit.chunk_id for hit in weighed] == [1, 2, 3, 4, 5]
    scores = [hit.score for hit in weighed]
    expected = [
        0.95,
        _relevance(embedder, "午休一小时。", "报销单据截止到二十五日。"),
        _relevance(embedder, "单据何时截止？", "请找前台。"),
        0.05,
        0.5,
    ]
    assert scores == pytest.approx(expected)
    assert scores[1] != pytest.approx(0.5)


def test_the_answer_of_a_question_that_was_found_counts_too() -> None:
    embedder = BigramEmbedder()
    hit = _hit(1, 0.5, "报销单据何时截止见附表。", question="钱怎么办？")
    (weighed,) = SecondLook()(QUERY, [hit], embedder.encode_query(QUERY), embedder, NEAREST)
    assert embedder.embedded == ["钱怎么办？", "报销单据何时截止见附表。"]
    assert weighed.score == pytest.approx(_relevance(embedder, "报销单据何时截止见附表。"))


def test_no_sentence_is_embedded_twice() -> None:
    embedder, look = BigramEmbedder(), SecondLook(kept=2)
    vector = embedder.encode_query(QUERY)

    def embedded(text: str) -> list[str]:
        embedder.embedded.clear()
        look(QUERY, [_hit(1, 0.5, text)], vector, embedder, NEAREST)
        return list(embedder.embedded)

    assert embedded("甲一。乙二。甲一。") == ["甲一。", "乙二。"]
    assert embedded("乙二。丙三。") == ["丙三。"]
    assert embedded("乙二。") == []
    assert embedded("甲一。") == ["甲一。"], "the oldest is forgotten"


def test_only_the_sentences_with_most_of_the_question_are_embedded() -> None:
    embedder = BigramEmbedder()
    text = "午休一小时。报销须有单据。单据交给前台。请勿吸烟。报销单据二十五日截止。访客登记。"
    (hit,) = SecondLook()(QUERY, [_hit(1, 0.5, text)], embedder.encode_query(QUERY), embedder, NEAREST)
    assert embedder.embedded == ["报销须有单据。", "单据交给前台。", "报销单据二十五日截止。"]
    assert hit.score == pytest.approx(_relevance(embedder, *embedder.embedded[:3]))


def test_a_passage_that_never_names_what_was_asked_about_weighs_less() -> None:
    query = "《差旅辦法》和「报销细则」何时生效？"
    hits = [
        _hit(1, 0.5, "差旅办法与报销细则下月生效。"),
        _hit(2, 0.5, "下月生效。", heading_path=("报销细则",)),
        replace(_hit(3, 0.5, "下月生效。"), document="差旅办法.docx"),
        _hit(4, 0.5, "下月生效。"),
    ]
    embedder = BigramEmbedder()
    scores = [hit.score for hit in SecondLook()(query, hits, embedder.encode_query(query), embedder, NAMED)]
    assert scores == pytest.approx([1 / (1 + np.exp(-logit)) for logit in (2, 0, 0, -2)])


@pytest.fixture
def looking(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Searches look again at everything."""
    monkeypatch.setattr(SentenceEvidence, "UNSURE", (0.0, 1.0))
    texts = {f"{n}.md": f"第{n}条：报销单据在每月{n}日截止。其余事项另行通知。" for n in range(10, 30)}
    home.add("甲", {name: text for name, text in texts.items() if name < "20"})
    home.add("乙", {name: text for name, text in texts.items() if name >= "20"})
    home.retriever = Retriever(
        home.catalogue, home.indexes, embedders=home.retriever._embedders, evidence=lambda _: NEAREST
    )
    return home


def test_scores_depend_on_question_and_text_alone(looking: Home) -> None:
    query = "第12条的单据在几日截止，还有什么事项？"
    everything = looking.search(query, "甲", "乙", top_k=20)
    scores = {hit.document: hit.score for hit in everything}
    assert len(everything) == 20 and len(looking.embedder.embedded) > 20
    assert list(scores.values()) == sorted(scores.values(), reverse=True)
    assert looking.search(query, "甲", "乙", top_k=3) == everything[:3]
    ids = {hit.document: hit.document_id for hit in everything}
    chosen = [ids["12.md"], ids["25.md"]]
    for hit in looking.search(query, "乙", "甲", top_k=5, document_ids=chosen):
        assert hit.score == pytest.approx(scores[hit.document], rel=1e-4)


def test_a_higher_threshold_only_takes_away(looking: Home) -> None:
    query = "单据截止"
    everything = looking.search(query, "甲", "乙", top_k=20)
    for threshold in np.linspace(0.0, 1.0, 21):
        hits = looking.search(query, "甲", "乙", top_k=20, threshold=float(threshold))
        assert hits == [hit for hit in everything if hit.score >= threshold]


def test_hits_that_stay_unsure_are_read_with_the_question() -> None:
    embedder, reader = BigramEmbedder(), _Reader()
    hits = [
        _hit(1, 0.96, "午休一小时。"),
        _hit(2, 0.8, "午休。報銷單據截止到二十五日。"),
        _hit(3, 0.8, "请找前台。", question="单据何时截止？"),
        _hit(4, 0.04, "报销单据何时截止"),
        _hit(5, 0.5, ""),
    ]
    look = SecondLook(reader=lambda: reader)
    vector = embedder.encode_query(QUERY)
    scores = [hit.score for hit in look(QUERY, hits, vector, embedder, KEEPING, READ)]
    texts = ["午休。报销单据截止到二十五日。", "单据何时截止?请找前台。"]
    assert reader.read == [(QUERY, text) for text in texts]
    expected = [1 / (1 + np.exp(-(np.log(4) / 2 + len(text) / 10 - 1))) for text in texts]
    assert scores == pytest.approx([0.96, *expected, 0.04, 0.5])
    assert [hit.score for hit in look(QUERY, hits, vector, embedder, KEEPING, READ)] == scores
    assert len(reader.read) == 2, "no pair is read twice"
    without = [hit.score for hit in look(QUERY, hits, vector, embedder, KEEPING)]
    assert without == pytest.approx([0.96, 0.8, 0.8, 0.04, 0.5])


def test_headings_are_not_read() -> None:
    embedder, reader = BigramEmbedder(), _Reader()
    row = _hit(1, 0.5, "张三 | 25日", header="姓名 | 报销截止", heading_path=("报销单据", "截止"))
    SecondLook(reader=lambda: reader)(QUERY, [row], embedder.encode_query(QUERY), embedder, KEEPING, READ)
    assert reader.read == [(QUERY, "姓名 | 报销截止张三 | 25日")]
    empty = _hit(2, 0.5, "", heading_path=("报销单据", "截止"))
    assert SecondLook(reader=lambda: reader)(
        QUERY, [empty], embedder.encode_query(QUERY), embedder, KEEPING, READ
    ) == [empty]
    assert len(reader.read) == 1


def test_what_the_sentences_decide_is_not_read() -> None:
    embedder, reader = BigramEmbedder(), _Reader()
    surer = replace(KEEPING, intercept=4.0)
    hits = [_hit(1, 0.5, "报销单据二十五日截止。")]
    look = SecondLook(reader=lambda: reader)
    (hit,) = look(QUERY, hits, embedder.encode_query(QUERY), embedder, surer, READ)
    assert hit.score == pytest.approx(1 / (1 + np.exp(-4.0))) and not reader.read


def test_questions_without_chinese_are_not_read() -> None:
    embedder, reader = BigramEmbedder(), _Reader()
    hits = [_hit(1, 0.5, "Receipts are due on the 25th.")]
    query = "When are receipts due?"
    look = SecondLook(reader=lambda: reader)
    assert look(query, hits, embedder.encode_query(query), embedder, KEEPING, READ) == hits
    assert not reader.read


def test_without_a_reader_the_sentences_decide() -> None:
    embedder = BigramEmbedder()
    hits = [_hit(1, 0.5, "报销单据二十五日截止。")]
    assert SecondLook()(QUERY, hits, embedder.encode_query(QUERY), embedder, KEEPING, READ) == hits


def test_a_reader_that_cannot_be_loaded_leaves_what_the_sentences_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Damaged(_Reader):
        def logits(self, question: str, passages: Sequence[str]) -> np.ndarray:
            raise ModelError("the model in /models/reader cannot be loaded")

    embedder = BigramEmbedder()
    hits = [_hit(1, 0.5, "报销单据二十五日截止。")]
    look = SecondLook(reader=Damaged)
    assert look(QUERY, hits, embedder.encode_query(QUERY), embedder, KEEPING, READ) == hits
    assert "/models/reader" in caplog.text


def test_texts_are_read_in_the_words_of_the_question() -> None:
    embedder, reader = BigramEmbedder(), _Reader()
    look = SecondLook(reader=lambda: reader, synonyms=Synonyms([["电脑", "计算机"]]))
    look(
        "电脑怎么报修",
        [_hit(1, 0.5, "計算機找前台报修。")],
        embedder.encode_query("电脑怎么报修"),
        embedder,
        KEEPING,
        READ,
    )
    assert reader.read == [("电脑怎么报修", "电脑找前台报修。")]


def test_the_reader_is_made_ahead_only_where_it_is_needed(home: Home) -> None:
    made: list[str] = []

    def reader() -> None:
        made.append("reader")

    embedders = home.retriever._embedders
    Retriever(home.catalogue, home.indexes, embedders=embedders, reader=reader).make_reader()
    assert made == []
    Retriever(
        home.catalogue, home.indexes, embedders=embedders, reader=reader, answerability=lambda _: READ
    ).make_reader()
    assert made == ["reader"]
