from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from vectorstore.calibration import Calibration
from vectorstore.chinese import fold
from vectorstore.hybrid import HybridIndex
from vectorstore.synonyms import Synonyms, shipped

SYNONYMS = Synonyms.of("午饭 午餐 中饭  # meals\n\n# nothing\n酒店 大酒店 宾馆\nWiFi wi-fi 无线网\n")


@pytest.mark.parametrize(
    ("question", "text", "read"),
    [
        ("午饭几点开始?", "午餐11:30开始,中饭免费。", "午饭11:30开始,午饭免费。"),
        ("午饭还是午餐?", "午餐、中饭", "午餐、午餐"),  # the last of its words, but for those it uses itself
        ("住哪家酒店?", "大酒店和宾馆", "酒店和酒店"),
        ("住哪家大酒店?", "大酒店和酒店", "大酒店和大酒店"),
        ("无线网慢", "wifi与wi-fi,不是wifix", "无线网与无线网,不是wifix"),
        ("年假几天?", "午餐", "午餐"),
        ("", "午餐", "午餐"),
    ],
)
def test_a_text_is_read_in_the_words_of_the_question(question: str, text: str, read: str) -> None:
    assert SYNONYMS.reading(question)(text) == read


def test_the_other_words_are_those_that_the_question_lacks() -> None:
    assert SYNONYMS.others("午饭和酒店") == ["午餐", "中饭", "大酒店", "宾馆"]
    assert SYNONYMS.others("年假") == []


def test_a_later_group_takes_a_word() -> None:
    own = Synonyms.of("系统 平台", "平台 站台")
    assert own.others("平台") == ["站台"]
    assert own.others("系统") == ["平台"]


def test_words_are_folded_and_a_lone_one_has_no_other() -> None:
    assert Synonyms.of("軟體 软件\n孤单").others("软件 孤单") == ["软体"]


def test_the_shipped_groups_are_in_order() -> None:
    lines = [line for line in shipped().splitlines() if line and not line.startswith("#")]
    words = Counter(word for line in lines for word in line.split())
    assert len(lines) > 150
    assert [line for line in lines if len(line.split()) < 2] == []
    assert [word for word, times in words.items() if times > 1 or fold(word) != word or len(word) < 2] == []


def test_a_passage_in_other_words_is_found_and_relevant() -> None:
    texts = ["午餐十一点半开始供应。", "会议室在七层。", "打印机在走廊里。"]
    scores = {}
    for name, synonyms in (("with", SYNONYMS), ("without", Synonyms(()))):
        index = HybridIndex(4, calibration=Calibration.words(), synonyms=synonyms)
        index.add(range(3), texts, np.eye(4, dtype=np.float32)[:3])
        found = index.search("午饭几点?", np.eye(4, dtype=np.float32)[3], k=3)
        scores[name] = {hit.id: hit.score for hit in found}
    assert max(scores["with"], key=scores["with"].__getitem__) == 0
    assert scores["with"][0] > 0.9
    assert scores["without"][0] < 0.1
    assert scores["with"][1] == pytest.approx(scores["without"][1])
