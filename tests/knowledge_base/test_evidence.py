"""A second look at hits that are unsure, sentence by sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from knowledge_base.evidence import SecondLook
from knowledge_base.retrieval import Retriever
from knowledge_base.types import Hit
from tests.knowledge_base.doubles import BigramEmbedder, Home
from vectorstore import evidence
from vectorstore.evidence import EVIDENCE, SentenceEvidence

QUERY = "报销单据何时截止"
NEAREST = SentenceEvidence(weights={**dict.fromkeys(EVIDENCE, 0.0), "nearest": 10.0}, intercept=-5.0)
"""Goes by the nearest sentence alone."""
NAMED = SentenceEvidence(weights={**dict.fromkeys(EVIDENCE, 0.0), "missing_names": -4.0}, intercept=2.0)
"""Goes by the names that the question quotes."""


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
    monkeypatch.setattr(evidence, "UNSURE", (0.0, 1.0))
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
