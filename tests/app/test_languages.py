"""Questions in another language or script than the documents."""

from __future__ import annotations

import pytest

from app.service import Service
from tests.app.conftest import HANDBOOK, KB

pytestmark = pytest.mark.model


def test_a_traditional_question_is_answered_from_simplified_text(service: Service) -> None:
    """Words are matched across the scripts; embeddings differ, so scores do a little."""
    simplified = service.ask("我工龄六年，一年有几天年休假？", [KB])
    traditional = service.ask("我工齡六年，一年有幾天年休假？", [KB])
    assert not simplified.refused and not traditional.refused
    best = simplified.citations[0]
    found = {citation.chunk_id: citation.score for citation in traditional.citations}
    assert found[best.chunk_id] == pytest.approx(best.score, abs=0.1)
    assert "10天" in simplified.answer and "10天" in traditional.answer


def test_an_english_question_finds_chinese_text_without_shared_words_only_below_the_threshold(
    service: Service,
) -> None:
    question = "How many days of annual leave do I get after six years of service?"
    assert service.ask(question, [KB]).refused
    hits = service.search(question, [KB], threshold=0.0)
    assert HANDBOOK in {hit.document for hit in hits}
