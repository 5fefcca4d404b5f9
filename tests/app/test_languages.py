"""Questions in another language or script than the documents."""

from __future__ import annotations

import pytest

from app.service import Service
from tests.app.conftest import HANDBOOK, KB

pytestmark = pytest.mark.model


def test_a_traditional_question_finds_simplified_text_with_the_same_relevance(service: Service) -> None:
    simplified = service.ask("我工龄六年，一年有几天年休假？", [KB])
    traditional = service.ask("我工齡六年，一年有幾天年休假？", [KB])
    assert not simplified.refused and not traditional.refused
    assert traditional.citations[0].chunk_id == simplified.citations[0].chunk_id
    assert "10天" in traditional.answer


def test_an_english_question_finds_chinese_text_without_shared_words_only_below_the_threshold(
    service: Service,
) -> None:
    question = "How many days of annual leave do I get after six years of service?"
    assert service.ask(question, [KB]).refused
    hits = service.search(question, [KB], threshold=0.0)
    assert HANDBOOK in {hit.document for hit in hits}
