"""Questions in another language or script than the documents."""

from __future__ import annotations

import pytest

from app.service import Service
from tests.app.conftest import HANDBOOK, KB, MakeService

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


def test_english_questions_are_answered_from_english_text_and_refused(make_service: MakeService) -> None:
    service = make_service()
    service.create_knowledge_base(KB)
    text = (
        "# Passwords\n\nPasswords have at least fourteen characters. They are kept in the company's password"
        " manager.\n\n# Laptops\n\nA lost laptop is reported to the service desk within two hours. Disks are"
        " encrypted, and screens lock after five minutes.\n"
    )
    assert service.ingest(KB, [service.store("policy.md", [text.encode()])])[0].state == "ready"
    for question, answer in (
        ("How long must a password be?", "fourteen characters"),
        ("What do I do when I lose my laptop?", "service desk"),
        ("When is the screen locked?", "five minutes"),
    ):
        assert answer in service.ask(question, [KB]).answer
    for question in ("Who is the head of the purchasing department?", "How do I get a parking space?"):
        assert service.ask(question, [KB]).refused
