from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loaders.sentences import split_sentences


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("今天下雨。明天呢？好！", ["今天下雨。", "明天呢？", "好！"]),
        ("他说：“你好。”然后走了。", ["他说：“你好。”", "然后走了。"]),
        ("（完。）下一句", ["（完。）", "下一句"]),
        ("等等……再说", ["等等……", "再说"]),
        ("第一；第二；", ["第一；", "第二；"]),
        ("圆周率是3.14左右。", ["圆周率是3.14左右。"]),
        ("见www.example.com的说明。", ["见www.example.com的说明。"]),
        ("See Fig. 3 and Dr. Li. Next one.", ["See Fig. 3 and Dr. Li.", "Next one."]),
        ("真的吗?我不信!", ["真的吗?", "我不信!"]),
        ("1.第一条\n2. Second point", ["1.第一条", "2. Second point"]),
        ("It ended in 2020. Then it began.", ["It ended in 2020.", "Then it began."]),
        ("http://a.cn/b?c=d&e=f 可用", ["http://a.cn/b?c=d&e=f 可用"]),
        ('She said "stop." He did.', ['She said "stop."', "He did."]),
        ("e.g. this one", ["e.g. this one"]),
        ("什么？！真的", ["什么？！", "真的"]),
        ("", []),
        (" \n\u3000", []),
    ],
)
def test_ends_of_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@given(st.text(alphabet="中文。！？；…“”（）a b.!?1\n\"' \u3000", max_size=200))
def test_spans_cover_all_but_white_space_once(text: str) -> None:
    spans = split_sentences(text)
    covered = [index for start, end in spans for index in range(start, end)]
    assert covered == sorted(set(covered))
    assert {i for i, c in enumerate(text) if not c.isspace()} <= set(covered)
    assert all(text[start:end] == text[start:end].strip() != "" for start, end in spans)
