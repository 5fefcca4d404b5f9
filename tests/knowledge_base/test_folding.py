"""Hits that say the same count once."""

from __future__ import annotations

from knowledge_base.folding import fold_near_duplicates
from knowledge_base.types import Hit


def _hit(text: str, *, score: float = 0.9, question: str = "") -> Hit:
    return Hit(
        score=score,
        dense_score=0.9,
        keyword_score=0.5,
        knowledge_base="制度",
        document="a.md",
        document_id="a",
        chunk_id=1,
        page=None,
        text=text,
        question=question,
    )


def test_the_better_of_two_alike_stays() -> None:
    first = _hit("差旅费应在返回后十个工作日内报销，逾期须说明原因。", score=0.9)
    again = _hit("差旅费应在返回后十个工作日内报销, 逾期须说明原因", score=0.8)
    other = _hit("年休假应在当年休完，最多结转五天到次年三月。", score=0.7)
    assert fold_near_duplicates([first, again, other]) == [first, other]


def test_one_differing_number_is_no_duplicate() -> None:
    clause = (
        "供应商应自货物验收合格之日起提供免费保修服务，保修期内接到报修通知后派员到场处理，保修期为{}个月。"
    )
    one, other = _hit(clause.format(18)), _hit(clause.format(24))
    assert fold_near_duplicates([one, other]) == [one, other]


def test_equal_answers_to_different_questions_both_stay() -> None:
    one, other = _hit("可以。", question="年假可以结转吗？"), _hit("可以。", question="加班可以调休吗？")
    assert fold_near_duplicates([one, other]) == [one, other]


def test_short_and_empty_texts_are_compared_too() -> None:
    assert len(fold_near_duplicates([_hit("是"), _hit("是"), _hit("否"), _hit("。")])) == 3
