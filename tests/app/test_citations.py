"""Numbers in brackets: read in every form, checked, and led back to the sentence behind them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.answering.citations import (
    CitationReader,
    cited_numbers,
    cited_sentences,
    claim_of,
    claimed,
    supporting_span,
)
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
        ("[9, 1] [1, 2, 9]", [1, 2]),
        ("年龄须在[18, 60]岁之间，温度 [0,1]，k 取 [1,3][2]。", [2]),
        ("a[1] 与 a[2]，长 5 m[3]，方案A[1]。", [3, 1]),
        ("见附件(2)。有效期为三(3)，不可续。", []),
        ("[ 1 ] 【 2 】", [1, 2]),
        ("［１］", [1]),
        ("数组 a[i]、[1.5]、[注1]、[2024年]、[2024]、[]", []),
        ("范围[1-3]，[2～9]", [1, 2, 3]),
        ("[^1] [资料2] [来源：3] 【1†source】", [1, 2, 3]),
        ("[Source 2], [doc 1; doc 3]", [2, 1, 3]),
        ("年假五天(1)。见公式(2)。(3) 其他", [1]),
        ("列表 `a[1]` 与\n```\nb[2]\n```\n正文[3]", [3]),
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


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("年假五天【1】，病假［2］。", "年假五天[1]，病假[2]。"),
        ("没有 [7]。有 [7, 1]。", "没有。有 [1]。"),
        ("年龄须在[18, 60]岁之间[1]。", "年龄须在[18, 60]岁之间[1]。"),
        ("取值为[0,100][9]。", "取值为[0,100]。"),
        ("数组从 a[0] 开始[0]。", "数组从 a[0] 开始[0]。"),
        ("各处[1-3]。", "各处[1][2][3]。"),
        ("数组 a[i] 与 [注]。", "数组 a[i] 与 [注]。"),
        ("未完[1", "未完[1"),
    ],
)
def test_one_form_comes_out(answer: str, shown: str) -> None:
    reader = CitationReader(3)
    assert reader.feed(answer) + reader.finish() == shown == reader.text


@given(st.text(alphabet="[]【】［］()（）123-,，、†资料 文a。\n`", max_size=60), st.data())
def test_how_the_answer_is_cut_makes_no_difference(answer: str, data: st.DataObject) -> None:
    whole = CitationReader(3)
    whole.feed(answer)
    whole.finish()
    cut = CitationReader(3)
    given_out = ""
    rest = answer
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        given_out += cut.feed(rest[:size])
        rest = rest[size:]
    given_out += cut.finish()
    assert (given_out, cut.marks) == (whole.text, whole.marks)
    assert all(whole.text[m.start : m.end] == "".join(f"[{n}]" for n in m.numbers) for m in whole.marks)


def test_sentences_and_what_they_cite() -> None:
    reader = CitationReader(3)
    reader.feed("年假五天。[1] 病假十天[2][3]。\n产假另有规定。\n[2]")
    reader.finish()
    found = [(reader.text[s:e], n) for s, e, n in cited_sentences(reader.text, reader.marks)]
    assert found == [("年假五天。[1]", (1,)), ("病假十天[2][3]。", (2, 3)), ("产假另有规定。\n[2]", (2,))]


def test_the_number_of_an_item_is_no_sentence() -> None:
    answer = "如下：\n1. 年假五天。\n二、 病假十天。\n3.5 天是半薪。\n2."
    found = [answer[start:end] for start, end, _ in cited_sentences(answer, ())]
    assert found == ["如下：", "1. 年假五天。", "二、 病假十天。", "3.5 天是半薪。", "2."]
    assert [claimed(sentence) for sentence in found] == [
        "如下：",
        "年假五天。",
        "病假十天。",
        "3.5 天是半薪。",
        "",
    ]


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
