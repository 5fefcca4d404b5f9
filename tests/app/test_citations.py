"""Numbers in brackets: read in every form, checked, and led back to the sentence behind them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.answering.citations import cited_numbers, claim_of, supporting_span
from tests.app.hits import make_hit


@pytest.mark.parametrize(
    ("answer", "numbers"),
    [
        ("年假五天[1]。", [1]),
        ("年假五天【2】，病假十天［3］。", [2, 3]),
        ("两处都写了[1,2]。", [1, 2]),
        ("三处都写了[3， 1、2]。", [3, 1, 2]),
        ("先[2]后[1]，再[2]。", [2, 1]),
        ("没有第五份[5]，也没有第零份[0]。", []),
        ("[1, 9]", [1]),
        ("[ 1 ] 【 2 】", [1, 2]),
        ("［１］", [1]),
        ("数组 a[i]、[1.5]、[注1]、[2024年]、[2024]、[]", []),
        ("", []),
    ],
)
def test_forms(answer: str, numbers: list[int]) -> None:
    assert cited_numbers(answer, 3) == numbers


@given(st.text(alphabet="[]【】［］0123456789,，、; 文a\n"), st.integers(0, 12))
def test_only_passages_that_exist_and_each_once(answer: str, passages: int) -> None:
    found = cited_numbers(answer, passages)
    assert len(set(found)) == len(found)
    assert all(1 <= number <= passages for number in found)


def test_the_claim_is_the_sentences_that_cite() -> None:
    answer = "年假五天[1]。病假十天[2]。产假另有规定。年假须申请[1][2]。"
    assert claim_of(answer, 1) == "年假五天。 年假须申请。"
    assert claim_of(answer, 2) == "病假十天。 年假须申请。"


def test_without_a_sentence_of_its_own_the_whole_answer_is_the_claim() -> None:
    assert claim_of("年假五天。", 1) == "年假五天。"


def test_the_supporting_sentence() -> None:
    hit = make_hit("员工享有福利。年假为每年五天，须提前申请。病假凭医院证明。")
    start, end = supporting_span("病假要有医院的证明", hit)
    assert hit.text[start:end] == "病假凭医院证明。"
    start, end = supporting_span("Annual leave", hit)
    assert hit.text[start:end]
