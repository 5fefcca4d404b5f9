from __future__ import annotations

from difflib import SequenceMatcher
from typing import Any

import pytest

from knowledge_base import similarity
from knowledge_base.similarity import most_similar


def test_the_closest_is_suggested() -> None:
    texts = {1: "员工每年享有二十天年假。", 2: "出差住宿标准为五百元。", 3: "员工每年享有年假。"}
    found = most_similar("员工每年享有十五天年假。", texts)
    assert found is not None
    assert (found[0], round(found[1], 3)) == (1, round(2 * 11 / 24, 3))


def test_nothing_is_suggested_where_nothing_is_like_it() -> None:
    assert most_similar("员工每年享有十五天年假。", {1: "机房温度二十二度。", 2: ""}) is None
    assert most_similar("员工每年享有十五天年假。", {}) is None


def test_of_equals_the_first() -> None:
    assert most_similar("年假十五天", {5: "年假十五天", 2: "年假十五天"}) == (5, 1.0)


def test_few_of_many_are_compared_wholly(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    class Noted(SequenceMatcher[str]):
        def set_seq1(self, a: Any) -> None:
            compared.append(a)
            super().set_seq1(a)

    monkeypatch.setattr(similarity, "SequenceMatcher", Noted)
    texts = {n: f"第{n}条：部门{n}的值班电话是{8000 + n}，机房温度二十二度。" for n in range(100)}
    texts[37] = "员工每年享有二十天年假，须提前申请。"
    found = most_similar("员工每年享有十五天年假，须提前申请。", texts)
    assert found is not None
    assert (found[0], found[1] > 0.8) == (37, True)
    assert len([text for text in compared if text]) == similarity.COMPARED
